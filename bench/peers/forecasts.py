"""One peer's forecasts, in the environment of the peers: python forecasts.py METHOD WINDOWS.npz ANSWERS.npz RUNS

WINDOWS: ``past`` (all windows, one after the other), ``lengths``, ``last_us``, ``origin``, and ``horizon``,
``interval_us``, ``seasons``, ``levels``. ANSWERS: ``mean`` (windows, horizon), ``quantiles`` (windows, horizon,
levels), ``seconds`` of processor for each run; a peer that gives no quantiles would leave them empty.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd

ENOUGH_SECONDS = 20.0
"""A run that took so long is not repeated."""


class Windows:
    """Histories to forecast from, and what is asked of each."""

    def __init__(self, path: str, only: int | None = None) -> None:
        held = np.load(path)
        self.past = np.split(held["past"], np.cumsum(held["lengths"])[:-1])[:only]
        self.last_us = held["last_us"][:only]
        self.origin = held["origin"][:only]
        self.horizon, self.interval_us = int(held["horizon"]), int(held["interval_us"])
        self.seasons = [int(s) for s in held["seasons"]]
        self.levels = [float(level) for level in held["levels"]]

    def frame(self, chosen: np.ndarray) -> pd.DataFrame:
        """Columns ``unique_id``, ``ds``, ``y`` of the chosen windows."""
        return pd.concat([pd.DataFrame({"unique_id": i, "ds": self.times(i), "y": self.past[i]}) for i in chosen])

    def times(self, i: int, ahead: bool = False) -> pd.DatetimeIndex:
        steps = np.arange(1, self.horizon + 1) if ahead else np.arange(1 - len(self.past[i]), 1)
        return pd.DatetimeIndex((self.last_us[i] + steps * self.interval_us).astype("datetime64[us]"))

    @property
    def freq(self) -> str:
        return f"{self.interval_us // 60_000_000}min"

    @property
    def intervals(self) -> list[int]:
        """Central intervals, in percent, whose upper ends are the levels above the median."""
        return [round(200 * level - 100) for level in self.levels if level > 0.5]

    def taken(self, found: pd.DataFrame, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and quantiles from a long frame with interval columns, windows in order."""
        found = found.sort_values(["unique_id", "ds"])
        columns = [name if level <= 0.5 else f"{name}-hi-{round(200 * level - 100)}" for level in self.levels]
        shape = (count, self.horizon)
        quantiles = np.stack([found[column].to_numpy(float).reshape(shape) for column in columns], axis=-1)
        return found[name].to_numpy(float).reshape(shape), quantiles


def statsforecast(windows: Windows, name: str) -> tuple[np.ndarray, np.ndarray]:
    from statsforecast import StatsForecast
    from statsforecast import models as known

    models = {
        "mstl": lambda: known.MSTL(season_length=windows.seasons, alias="m"),
        "naive of the day": lambda: known.SeasonalNaive(season_length=windows.seasons[0], alias="m"),
        "naive of the week": lambda: known.SeasonalNaive(season_length=windows.seasons[1], alias="m"),
        "auto ets": lambda: known.AutoETS(season_length=windows.seasons[0], alias="m"),
        "optimised theta": lambda: known.DynamicOptimizedTheta(season_length=windows.seasons[0], alias="m"),
    }
    count = len(windows.past)
    asked = StatsForecast(models=[models[name]()], freq=windows.freq, n_jobs=1)
    found = asked.forecast(df=windows.frame(np.arange(count)), h=windows.horizon, level=windows.intervals)
    return windows.taken(found, "m", count)


def lightgbm(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """One model over all series of an origin: what is in the past of one origin is the future of another."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences, LocalStandardScaler
    from mlforecast.utils import PredictionIntervals

    day, week = windows.seasons
    mean = np.empty((len(windows.past), windows.horizon))
    quantiles = np.empty((*mean.shape, len(windows.levels)))
    for origin in np.unique(windows.origin):
        chosen = np.flatnonzero(windows.origin == origin)
        asked = MLForecast(
            models={"m": LGBMRegressor(n_jobs=1, verbosity=-1, random_state=1)},
            freq=windows.freq,
            lags=[1, *range(day, week + day + 1, day)],
            date_features=["hour", "dayofweek"],
            target_transforms=[Differences([day]), LocalStandardScaler()],
            num_threads=1,
        )
        intervals = PredictionIntervals(n_windows=2, h=windows.horizon)
        asked.fit(windows.frame(chosen), static_features=[], prediction_intervals=intervals)
        found = asked.predict(windows.horizon, level=windows.intervals)
        mean[chosen], quantiles[chosen] = windows.taken(found, "m", len(chosen))
    return mean, quantiles


def prophet(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    mean, quantiles = [], []
    for i, past in enumerate(windows.past):
        np.random.seed(1)
        model = Prophet().fit(pd.DataFrame({"ds": windows.times(i), "y": past}))
        future = pd.DataFrame({"ds": windows.times(i, ahead=True)})
        mean.append(model.predict(future)["yhat"].to_numpy())
        quantiles.append(np.quantile(model.predictive_samples(future)["yhat"], windows.levels, axis=1).T)
    return np.array(mean), np.array(quantiles)


def answer(method: str, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    package, _, model = method.partition(" ")
    if package == "statsforecast":
        return statsforecast(windows, model)
    return {"mlforecast": lightgbm, "prophet": prophet}[package](windows)


def processor_seconds() -> float:
    """Of this process and of those it started and saw end."""
    return sum(os.times()[:4])


def main() -> None:
    warnings.simplefilter("ignore")
    method, path, out, runs = sys.argv[1:]
    answer(method, Windows(path, only=2))  # imports and compiles
    windows = Windows(path)
    seconds: list[float] = []
    found: Any = None
    while len(seconds) < int(runs) and (not seconds or seconds[0] < ENOUGH_SECONDS):
        started = processor_seconds()
        found = answer(method, windows)
        seconds.append(processor_seconds() - started)
    np.savez(out, mean=found[0], quantiles=found[1], seconds=seconds)


if __name__ == "__main__":
    main()
