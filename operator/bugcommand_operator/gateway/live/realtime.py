"""`/realtime/v1/websocket`: rows of `spawn_logs` and `bridge_commands` for Supabase's stock Realtime clients."""

from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from bugcommand_operator.gateway.live.access import Access
from bugcommand_operator.gateway.live.phoenix import VERSION
from bugcommand_operator.gateway.live.slots import Slots
from bugcommand_operator.gateway.live.socket import Session
from bugcommand_operator.gateway.live.sse import who_reads
from bugcommand_operator.gateway.live.subscriptions import Sources
from bugcommand_operator.gateway.readers import client_of, token_of
from bugcommand_operator.gateway.refusals import Malformed, Refusal


@dataclass(frozen=True)
class Realtime:
    access: Access
    sources: Sources
    slots: Slots

    async def connect(self, websocket: WebSocket) -> None:
        client = client_of(websocket)
        try:
            if websocket.query_params.get("vsn", VERSION) != VERSION:
                raise Malformed("UnknownVersion", f"this speaks version {VERSION} of the protocol", field="vsn")
            credential = await who_reads(self.access, token_of(websocket), client)
        except Refusal as refusal:
            answer = JSONResponse(refusal.body(), refusal.status, refusal.headers())
            await websocket.send_denial_response(answer)
            return
        await websocket.accept()
        await Session(websocket, self.access, credential, client, self.sources, self.slots).run()
