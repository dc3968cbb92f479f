"""Candidates: each fits on a train part and gives margins (log-odds before calibration)."""
