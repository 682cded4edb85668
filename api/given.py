"""What `create_app` gives to handlers, each under the name that they ask for it by."""

from __future__ import annotations

from litestar.di import NamedDependency

from database.notifications import Notifications
from database.session import Database
from telephony.addresses import Addresses
from telephony.twilio import TwilioAccount

TheDatabase = NamedDependency[Database]
TheNotifications = NamedDependency[Notifications]
TheTwilio = NamedDependency[TwilioAccount]
TheAddresses = NamedDependency[Addresses]
