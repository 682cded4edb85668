"""Twilio's side and the model's side of many calls, in one process with one clock, with marked audio."""
