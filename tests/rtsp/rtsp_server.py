#!/usr/bin/python3
"""A network camera for tests: GStreamer's own RTSP server with a moving picture and a tone.

    rtsp_server.py PORT        0 lets the system choose

Prints one line of JSON, {"url": "rtsp://127.0.0.1:PORT/cam"}, and serves until its standard input ends or it is killed.
Debian's Python, for the bindings: python3-gi and gir1.2-gst-rtsp-server-1.0.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  (after the versions are named)

# As a camera of a network has it: a keyframe each two seconds, whatever the node's segments.
LAUNCH = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=50 bitrate=300 ! rtph264pay name=pay0 pt=96 "
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! rtpmp4gpay name=pay1 pt=97 )"
)


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(True)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    print(json.dumps({"url": f"rtsp://127.0.0.1:{server.get_bound_port()}/cam"}), flush=True)

    loop = GLib.MainLoop()

    def ended(channel, _condition):
        if channel.read(1):
            return True
        loop.quit()
        return False

    GLib.io_add_watch(sys.stdin.buffer.raw, GLib.IO_IN | GLib.IO_HUP, ended)
    loop.run()


if __name__ == "__main__":
    main()
