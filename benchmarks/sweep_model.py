"""How long 1, 10 and 100 million cards take by each way of execution, which limit binds, and what it costs.

Everything is reckoned from rates that are given: quotas of an account, limits of the platform, and what was
measured here of our own work. It measures nothing itself; see `benchmarks.sweep` for that.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Given:
    """What the model starts from; the defaults are the documented ones, or were measured as their line says.

    Attributes
    ----------
    ocr_quota : float
        Requests a second that the OCR API grants an account (documented: 20).
    ci_quota : float
        The same for CI's recognition; not documented, so the same is assumed.
    share : float
        Part of a quota that the sweep may use; the rest is for live uploads.
    card_s : float
        One card in the function, recognition included: about 1 s of it is recognition.
    in_flight : int
        Cards under way in one function at a time (512 MB).
    elsewhere : int
        Cards under way elsewhere that one sweep watches at a time (the most that the setting takes).
    look_s : float
        How much later than it ends, on average, it is seen that a card has ended.
    cpu_s : float
        Processor seconds of ours a card (`python -m benchmarks.sweep` printed 20 ms); one instance has one
        core at most.
    instances : int
        Instances of `on_upload` that the account's memory allows.
    job_slots : int
        CI jobs that run at a time; not documented.
    job_s : float
        One job, from submission to callback.
    duty : float
        Part of the time that the timer's function, which sets the pace, works: 255 s of each 300.
    list_rate : float
        Keys a second that are planned by listings in step (printed there, too); over the network a page of
        1,000 takes about 0.1 s, two listings at a time.
    price_locate, price_read : float
        Price of a call, in any currency.
    price_gbs, price_request : float
        Of a gigabyte-second of a function, and of a request to COS.
    requests : float
        Requests to COS a card (`tests/e2e/test_costs.py`).
    """

    ocr_quota: float = 20.0
    ci_quota: float = 20.0
    share: float = 0.8
    card_s: float = 1.1
    in_flight: int = 24
    elsewhere: int = 256
    look_s: float = 0.5
    cpu_s: float = 0.02
    instances: int = 60
    job_slots: int = 20
    job_s: float = 5.0
    duty: float = 0.85
    list_rate: float = 9_300.0
    price_locate: float = 0.1
    price_read: float = 0.1
    price_gbs: float = 0.00011108
    price_request: float = 0.000001
    requests: float = 12.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """One way: cards a second, what bounds them, and the cost of one card beside the calls'."""

    rate: float
    binds: str
    own_cost: float


def direct(given: Given) -> Outlook:
    """In the timer's function itself."""
    limits = {
        **_quotas(given),
        "cards under way": given.in_flight / given.card_s * given.duty,
        "one processor": given.duty / given.cpu_s,
    }
    return _least(limits, given, 0.5 * given.duty)


def invoke(given: Given) -> Outlook:
    """By asynchronous invocations: an instance of `on_upload` does one card at a time."""
    limits = {**_quotas(given), "instances": given.instances / given.card_s}
    limits["cards under way"] = given.elsewhere / (given.card_s + given.look_s) * given.duty
    return _least(limits, given, 0.5 * given.card_s * _least(limits, given, 0.0).rate)


def job(given: Given) -> Outlook:
    """By CI jobs: `on_callback` reads the text, so the text provider's quota holds as well."""
    limits = {**_quotas(given), "CI's queue": given.job_slots / given.job_s}
    limits["cards under way"] = given.elsewhere / (given.job_s + given.look_s) * given.duty
    return _least(limits, given, 0.5 * given.card_s * _least(limits, given, 0.0).rate)


def _quotas(given: Given) -> dict[str, float]:
    share = given.share * given.duty
    return {"OCR API's quota": given.ocr_quota * share, "CI's quota": given.ci_quota * share}


def _least(limits: dict[str, float], given: Given, gigabytes: float) -> Outlook:
    binds = min(limits, key=lambda name: limits[name])
    rate = min(limits[binds], given.list_rate)
    return Outlook(rate, binds, given.requests * given.price_request + gigabytes * given.price_gbs / rate)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    base = Given()
    for name in Given.__dataclass_fields__:
        value = getattr(base, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    given = Given(**vars(parser.parse_args()))
    scenarios = {
        "default quotas (20/s), 80% of them": given,
        "quotas raised tenfold": _raised(given, 10),
        "quotas raised a hundredfold, 1,000 instances": _raised(given, 100, instances=1000),
    }
    print("| quotas | way | cards/s | bound by | 1 million | 10 million | 100 million | a million costs |")
    print("|---|---|---|---|---|---|---|---|")
    for name, each in scenarios.items():
        for way in (direct, invoke, job):
            told = way(each)
            spans = " | ".join(_span(millions * 1e6 / told.rate) for millions in (1, 10, 100))
            cost = 1e6 * (each.price_locate + each.price_read + told.own_cost)
            print(f"| {name} | `{way.__name__}` | {told.rate:.1f} | {told.binds} | {spans} | {cost:,.0f} |")
    redo = min(given.duty / given.cpu_s, given.in_flight / 0.15)
    spans = " | ".join(_span(millions * 1e6 / redo) for millions in (1, 10, 100))
    own = 1e6 * (given.requests * given.price_request + 0.5 * given.duty * given.price_gbs / redo)
    print(f"| none needed: a changed policy | `direct` | {redo:.1f} | one processor | {spans} | {own:,.0f} |")
    listing = " | ".join(_span(millions * 1e6 / given.list_rate) for millions in (1, 10, 100))
    own = 2 * 1e6 / 1000 * given.price_request
    print(f"| none needed: nothing to do | any | {given.list_rate:,.0f} | listing | {listing} | {own:.3f} |")


def _raised(given: Given, times: float, instances: int | None = None) -> Given:
    return replace(
        given,
        ocr_quota=given.ocr_quota * times,
        ci_quota=given.ci_quota * times,
        job_slots=int(given.job_slots * times),
        instances=instances or given.instances,
    )


def _span(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:,.1f} days"


if __name__ == "__main__":
    main()
