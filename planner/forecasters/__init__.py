"""The forecasters behind one small protocol (:mod:`.base`), and those to choose from (:mod:`.registry`)."""
