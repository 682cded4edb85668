"""The whole simulator in one event loop: a telephone network, phones and a voice model behind one port."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

import aiohttp
from aiohttp import web

from simulator.audio.voice import Kind, Voice
from simulator.desk import Desk
from simulator.model.server import VoiceModel
from simulator.model.settings import ModelTiming
from simulator.network.account import PracticeAccount
from simulator.network.equipment import Equipment
from simulator.network.network import Network
from simulator.network.rest import RestApi
from simulator.phones.directory import Directory
from simulator.timing import Timing
from simulator.wire import MediaWebSocket

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "practice-auth-token"  # noqa: S105 a stand-in's


class Simulator:
    """`async with Simulator(...) as sim:` serves until the block is left; `sim.url` is its address.

    `sim.network` places calls and knows them, `sim.directory` says who does what at which phone, `sim.model`
    is the voice model, `sim.equipment.timing` may be replaced at any time.
    """

    def __init__(
        self,
        *,
        public_url: str = "",
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        openai_api_key: str | None = None,
        timing: Timing | None = None,
        model_timing: ModelTiming | None = None,
        voice: Kind = "tones",
        host: str = "127.0.0.1",
        port: int = 0,
        state_dir: Path | None = None,
        recognition: bool = False,
    ) -> None:
        """`public_url`: of the server under test, for people to see; webhooks go where it points them.

        `openai_api_key`: the only one that the model accepts; None: any. `state_dir`: where the account and
        synthesised speech are kept; None: nowhere. Raises RecognitionMissing.
        """
        self.public_url = public_url
        self._openai_api_key = openai_api_key
        self._timing = timing or Timing()
        self._model_timing = model_timing or ModelTiming()
        self._host = host
        self._port = port
        self.voice = Voice(voice, state_dir / "speech" if state_dir else None)
        self.account = PracticeAccount(
            account_sid, auth_token, state_dir / "account.json" if state_dir else None
        )
        self.directory = Directory(self.voice)
        self._recognise = None
        if recognition:
            from simulator.audio.recognition import Recognition

            self._recognise = Recognition()

    async def __aenter__(self) -> Simulator:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), ws_response_class=MediaWebSocket
        )
        self.equipment = Equipment(self.account, self.directory, self.voice, self._http, self._timing)
        self.network = Network(self.equipment)
        self.model = VoiceModel(
            lambda text: self.voice.speak(text, "agent"), timing=self._model_timing, recognise=self._recognise
        )
        if self._openai_api_key is not None:
            self.model.behaviour.api_keys = frozenset({self._openai_api_key})
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.add_routes(RestApi(self.network).routes())
        application.add_routes(self.model.routes())
        application.add_routes(Desk(self.network, self.model, self.public_url).routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self.port: int = self._runner.addresses[0][1]
        # So that the first sentence does not wait for the voice; the simulator answers meanwhile.
        self._loading = asyncio.create_task(asyncio.to_thread(self.voice.load))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.network.close()
        await self.model.close()
        await self._loading
        await self._runner.cleanup()
        await self._http.close()

    @property
    def url(self) -> str:
        """What `TWILIO_API_BASE_URL` is to be."""
        return f"http://{self._host}:{self.port}"

    @property
    def openai_base_url(self) -> str:
        """What `OPENAI_BASE_URL` is to be."""
        return f"{self.url}/v1"
