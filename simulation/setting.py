"""The constants of the mechanism, each with its unit and its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One mechanism. The default is the sample hospital; vary it with ``dataclasses.replace``.

    Figures without a source are chosen so that the hospital looks like those of the field: a
    third of the managed patients silent for a quarter, diabetes in 2-4 % of those at risk a year.

    Attributes
    ----------
    registered_before
        Share of patients registered before the records begin; the others arrive evenly.
    online_share
        Log-odds of using the hospital's own channels at age 50; falls by .045 a year of age.
    device_share
        Share of the online patients who own a connected blood pressure or glucose meter.
    engagement_spread
        Standard deviation of patients' mean engagement (latent, unit 1).
    engagement_persistence, engagement_noise
        Monthly AR(1) coefficient and innovation: a half-life of 10 months, so that behaviour of
        a quarter says something of the next.
    shock_rate, shock_size
        Monthly probability of a sudden loss of engagement (another hospital, a bad experience)
        and its mean size: this is what a lost patient is made of.
    visit_lag
        Weight of the engagement of one month ago (the rest: two months ago) in visits; what is
        done on line and with medicines follows at once, so that adherence falls before churn.
    visit_rate
        Visits a month of one's own accord by an average patient.
    visit_engagement, visit_frailty
        Log rate ratios of visits for one unit of engagement, of frailty.
    visit_acute
        Extra visits a month during an acute illness.
    acute_rate
        Monthly probability that an acute illness begins.
    season
        Amplitude of the yearly wave of visits, highest in January.
    due_rate
        Extra visits a month while a planned step falls due, without a booking.
    habit_days, habit_loss
        After so many days without contact the rate of visits is multiplied by ``habit_loss``.
    booking_rate
        Probability that a visit of a managed patient ends with the next one booked.
    honour, honour_engagement
        Log-odds that a booking is honoured, and their gain for one unit of engagement
        (no-shows of outpatients lie between 10 and 30 % in the literature).
    rebook
        Probability that a missed booking is made again within the next month.
    refill_rate, refill_engagement
        Refills a day once the supply runs out, and the log rate ratio of engagement.
    outside_supply
        Share of the chronically ill who buy their medicines elsewhere.
    call_rate
        Monthly probability that a managed patient who is overdue is reminded.
    care_plan_share
        Share of the chronically ill who have a care plan.
    test_rate
        Multiplier of the probability that a visit includes a laboratory test.
    test_sickness
        Log-odds of a test for one standard deviation of the latent value towards illness:
        who looks sick is tested more (informative measurement).
    late_result_days
        Mean days from collection to the result of a slow test.
    correction_rate, void_rate
        Shares of results later corrected, of records later retracted.
    backdated_share, backdated_days
        Share of new diagnoses whose stated onset lies before the visit, and the greatest number
        of days.
    unrecorded_share
        Share of the diseases present at registration that are recorded only at a later visit.
    incidence
        Multiplier of the hazard of every disease.
    glycaemic_drift
        Yearly exponential growth of the latent glycaemia above its floor: the trend that
        precedes diabetes.
    detection_engagement
        How much detection depends on engagement, from 0 (not) to 1.
    death_rate
        Yearly hazard of death at age 60, average frailty; grows by 8.5 % a year (Gompertz).
    leave_rate
        Yearly hazard of a transfer, a move or an opt-out.
    policy_explore
        Share of the logging policy of lists that is uniform over the eligible items.
    taste_spread
        Standard deviation of patients' topic affinities (log-odds of a click).
    """

    registered_before: float = 0.62
    online_share: float = 0.9
    device_share: float = 0.16
    engagement_spread: float = 0.6
    engagement_persistence: float = 0.93
    engagement_noise: float = 0.2
    shock_rate: float = 0.014
    shock_size: float = 2.0
    visit_lag: float = 0.6
    visit_rate: float = 0.15
    visit_engagement: float = 0.7
    visit_frailty: float = 0.35
    visit_acute: float = 1.2
    acute_rate: float = 0.05
    season: float = 0.15
    due_rate: float = 0.35
    habit_days: int = 180
    habit_loss: float = 0.65
    booking_rate: float = 0.5
    honour: float = 1.5
    honour_engagement: float = 0.9
    rebook: float = 0.45
    refill_rate: float = 0.08
    refill_engagement: float = 1.0
    outside_supply: float = 0.45
    call_rate: float = 0.4
    care_plan_share: float = 0.7
    test_rate: float = 1.0
    test_sickness: float = 0.6
    late_result_days: float = 2.0
    correction_rate: float = 0.02
    void_rate: float = 0.01
    backdated_share: float = 0.35
    backdated_days: int = 63
    unrecorded_share: float = 0.12
    incidence: float = 1.0
    glycaemic_drift: float = 0.06
    detection_engagement: float = 0.5
    death_rate: float = 0.007
    leave_rate: float = 0.02
    policy_explore: float = 0.2
    taste_spread: float = 0.8
