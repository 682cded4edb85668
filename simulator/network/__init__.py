"""A pretend Twilio: its REST API, calls, webhooks, TwiML and Media Streams."""
