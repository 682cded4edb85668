"""What `create_app` gives to handlers, each under the name that they ask for it by."""

from __future__ import annotations

from litestar.di import NamedDependency

from database.notifications import Notifications
from database.secret_box import SecretBox
from database.session import Database
from outgoing.address_guard import AddressGuard
from outgoing.tool_requests import ToolRequests
from recordings.files import RecordingFiles
from telephony.addresses import Addresses
from telephony.twilio import TwilioAccount

TheDatabase = NamedDependency[Database]
TheNotifications = NamedDependency[Notifications]
TheSecretBox = NamedDependency[SecretBox]
TheAddressGuard = NamedDependency[AddressGuard]
TheToolRequests = NamedDependency[ToolRequests]
TheTwilio = NamedDependency[TwilioAccount]
TheAddresses = NamedDependency[Addresses]
TheRecordingFiles = NamedDependency[RecordingFiles]
