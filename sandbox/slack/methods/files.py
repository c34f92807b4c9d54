"""files.*: the three-step upload, looking a file up, deleting it. The bytes themselves come through ``webapi``."""

from __future__ import annotations

import mimetypes
from dataclasses import replace

from sandbox.slack.methods.call import Answer, Call, Method, SlackError
from sandbox.slack.model import BOT_USER, File, Message
from sandbox.slack.wire import file_json


def get_upload_url(call: Call) -> Answer:
    """files.getUploadURLExternal: where to send the bytes."""
    name = call.needed("filename")
    if int(call.text("length", "0")) <= 0:
        raise SlackError("invalid_arguments", "length must be a positive number")
    file = call.workspace.keep(File(id=call.workspace.new_id("F"), name=name))
    return {"upload_url": f"{call.base_url}/upload/v1/{file.id}", "file_id": file.id}


def complete_upload(call: Call) -> Answer:
    """files.completeUploadExternal: the files exist from here on, shared to a channel if one is named."""
    files = [_complete(call, str(item.get("id")), item.get("title")) for item in call.json("files") or []]
    if not files:
        raise SlackError("invalid_arguments", "missing required field: files")
    if call.text("channel_id") or call.text("channels"):
        _share(call, files)
    return {"files": [file_json(file, call.base_url) for file in files]}


def files_info(call: Call) -> Answer:
    """files.info."""
    return {"file": file_json(_file(call, call.text("file")), call.base_url)}


def files_delete(call: Call) -> Answer:
    """files.delete."""
    file = _file(call, call.text("file"))
    del call.workspace.files[file.id]
    return {}


def _file(call: Call, file_id: str) -> File:
    file = call.workspace.files.get(file_id)
    if file is None:
        raise SlackError("file_not_found")
    return file


def _complete(call: Call, file_id: str, title: str | None) -> File:
    file = _file(call, file_id)
    mimetype = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return call.workspace.keep(replace(file, title=title or file.name, mimetype=mimetype, complete=True))


def _share(call: Call, files: list[File]) -> None:
    where = replace(call, args={**call.args, "channel": call.text("channel_id") or call.text("channels")})
    call.workspace.post(
        Message(
            ts="",
            channel=where.channel_to_write().id,
            user=BOT_USER,
            text=call.text("initial_comment"),
            thread_ts=call.text("thread_ts") or None,
            files=tuple(file.id for file in files),
        )
    )


METHODS: dict[str, Method] = {
    "files.getUploadURLExternal": get_upload_url,
    "files.completeUploadExternal": complete_upload,
    "files.info": files_info,
    "files.delete": files_delete,
}
