"""The load process: `python -m bench.load`, started by `bench/run.py`. Spec and Target in, Result out."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
import sys

import msgspec
import uvloop

from bench.load import control, slow_dial, slow_tool
from bench.load.model import Model
from bench.load.pacer import Pacer
from bench.load.scenario import Scenario
from bench.load.spec import Spec, Target
from bench.load.switchboard import Switchboard
from bench.load.tally import Tally
from bench.load.twilio_rest import TwilioRest

READY = "listening"


def main() -> None:
    spec = msgspec.json.decode(sys.stdin.readline(), type=Spec)
    # Sockets that are gone when somebody still speaks are counted, not told.
    logging.disable(logging.CRITICAL)
    uvloop.run(serve(spec))


async def serve(spec: Spec) -> None:
    tallies = Tally(), Tally()
    model = Model(tallies, spec.tool_calls_each)
    context = client_context = None
    if spec.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(spec.certificate, spec.key)
        client_context = ssl.create_default_context(cafile=spec.certificate)
    scheme = "wss" if context else "ws"
    port = spec.model_port
    if spec.dial_ms:
        port += 1
        await slow_dial.listen(spec.model_port, port, spec.dial_ms / 1000)
    await model.listen(port, context)
    control_url = await control.listen(f"{scheme}://localhost:{port}/v1/realtime", client_context)
    scenario: Scenario | None = None

    def ended(call_sid: str) -> None:
        if scenario is not None:
            scenario.ended_by_bridge(call_sid)

    if spec.tool_calls_each:
        await slow_tool.listen(spec.tool_port)
    await TwilioRest(ended).listen(spec.twilio_port)
    print(READY, flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    target = msgspec.json.decode(line, type=Target)
    pacer = Pacer()
    pacer.start()
    switchboard = Switchboard(target, control_url, model, tallies, pacer)
    scenario = Scenario(spec, target, switchboard, model, tallies)
    # A pause of ours would be taken for one of the bridge; what a run leaves behind is not much.
    gc.collect()
    gc.freeze()
    gc.disable()
    result = await scenario.run()
    await switchboard.close()
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
