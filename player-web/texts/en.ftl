# The texts of the pages and the player, in Fluent (https://projectfluent.org/fluent/guide/).
# CONTRIBUTING.md says how to add a text or a language. A variable's value is always shown as text, never as markup.

## Pages

skip-to-content = Skip to the content
nav-label = Pages
nav-broadcasts = Broadcasts
language-label = Language
on-node = on { $node }
served-by = Served by this node, over the mesh. No Internet is needed.
documentation = Documentation
licences = Licences

page-title = { $page } – Meshstream
home-title = Meshstream on { $node }
broadcasts-heading = Broadcasts
live-heading = Live now
live-nobody = Nobody is live at the moment. A broadcast appears here as soon as this node hears of it. To publish one, ask the owner of a node for a stream key.
reload-to-look = Load the page again to look.
all-broadcasts = All broadcasts
untitled = Untitled broadcast
state-live = Live
state-ended = Ended
unknown-time = an unknown time
list-not-current = This list is not up to date: the node does not answer. Stay on its WiFi, it goes on by itself.

node-alone = No other node in reach: showing what this node holds.
node-connected =
    { $peers ->
        [one] Connected to { $peers } other node.
       *[other] Connected to { $peers } other nodes.
    }
node-disk-full = Its disk is full: it keeps nothing new.

published-by = Published by
withdrawn = Its publisher took this broadcast back.
withdrawn-because = Its publisher took this broadcast back: { $reason }
live-delay = Live here is at least { $seconds } s behind the camera: the video travels over the mesh in segments, and the player keeps two of them in hand.
download-mp4 = Download what there is as MP4

not-found-heading = Not found
not-found-page = There is no such page on this node.
not-found-document = The documentation has no such page. It may have been renamed: look for it in the contents.
not-found-broadcast = This node does not know that broadcast.
not-found-hidden = The owner of this node does not show that broadcast here.
not-shown-heading = Not shown here
not-shown-hint = Other nodes may show it.
not-found-hint = It may have a mistake in its address, or the news of it has not reached this node yet: try again in a minute, or look at all broadcasts.
page-failed = This page cannot be shown now. Try again in a minute.
nav-archive = Archive
nav-timeline = Timeline
nav-node = Node
upcoming-heading = Upcoming
state-upcoming = Upcoming
recent-heading = Recent
recent-none = Nothing is over yet. What was live stands here afterwards, as long as a node keeps it.
all-archive = The whole archive, by day
how-to-publish = How to publish
sound-only = Sound only
search-label = Search broadcasts and people
search-button = Search
search-heading = Search
search-none = Nothing known here fits. Try fewer or other words: titles, descriptions and publishers’ names are searched.
docs-search-label = Search the documentation
docs-search-none = Nothing in the documentation has all of these words. It is in English; try fewer or other words.
docs-contents = All of the documentation
details-heading = Details
share-heading = Share or embed
share-link = Link to this page
share-embed = Code to show the player in a page of your own
share-hint = Both work wherever this node can be reached: on its WiFi and across the mesh.
copy = Copy
copied = Copied
back-to-watch = Watch it
comments-heading = Comments
fact-state = State
fact-began = Began
fact-tracks = Carries
tracks-both = Picture and sound
tracks-picture = Picture only
fact-segments = Held here
segments-held =
    { $held ->
        [one] { $held } segment of at most { $seconds } s
       *[other] { $held } segments of at most { $seconds } s each
    }
fact-kept = Afterwards
kept-yes = Others may keep it
kept-no = It is not kept once it is over
fact-id = Identity
fact-manifest = Live manifest
this-node = This node
holders-heading = Also held by
holders-none = No other node has said yet that it keeps this broadcast.
holder-mirrors = Mirrors it
holder-republished = Republished it.
archives-heading = Archives
archives-none = No hour of it is complete yet.
archives-hint = A playlist plays in VLC and other players; the IPFS link is the same content under its hash, from any node that has it.
archive-part = Part
archive-length = Length
archive-size = Size
archive-play = Play
archive-playlist = Playlist
archive-hour = Hour
archive-day = Day
archive-whole = The whole
archive-so-far = so far
older-days = Older days
broadcasts-count =
    { $count ->
        [one] { $count } broadcast
       *[other] { $count } broadcasts
    }
search-found =
    { $count ->
        [one] { $count } broadcast fits.
       *[other] { $count } broadcasts fit.
    }
search-more = The newest { $count } that fit; add a word to find others.
day-none = Nothing that is known here was broadcast on this day.
day-more = More of this day
days-label = Days
earlier-day = Earlier: { $date }
later-day = Later: { $date }
failed-heading = Not now
not-found-post = This post is not known here, or its author is blocked on this node.
not-found-feed = Nothing is known here of this person.
mesh-heading = The mesh from here
graph-title = This node, its neighbours and the nodes beyond. The table below says the same.
graph-left-out =
    { $count ->
        [one] { $count } more node is known and not drawn.
       *[other] { $count } more nodes are known and not drawn.
    }
link-good = Good
link-fair = Fair
link-poor = Poor
link-unknown = Connected
link-connecting = Being tried
link-down = Not reached
storage-heading = Storage
storage-used = { $used } of { $quota } used ({ $percent } %).
storage-free = { $free } of the disk are free.
storage-disk-full = The disk is full: nothing new is kept until there is room.
storage-failing = The last write failed: whoever runs this node should look at its disk.
storage-next = What makes room next
publish-heading = Publish from here
publish-hint = With OBS, Larix, ffmpeg or another program that sends RTMP, on this node’s network:
publish-nowhere = This node takes no streams from the network by which you reach it. Ask whoever runs it, or publish on another node.
publish-server = Server
publish-key = Stream key
publish-key-hint = Ask whoever runs this node: there is one for each name of a stream.
neighbours-heading = Neighbours
neighbours-none = No neighbour yet. Nodes on the same network or mesh find each other by themselves.
column-node = Node
column-link = Link
column-rtt = Round trip
column-loss = Loss
column-in = Received
column-out = Sent
column-over = Found by
column-feed = Feed
column-heard = Heard of
over-configured = settings
over-inbound = its own call
over-lan = local network
minutes-ago = { $minutes } min ago
known-label = Nodes beyond the neighbours
known-heading =
    { $count ->
        [one] { $count } node beyond
       *[other] { $count } nodes beyond
    }
held-heading = Held here
held-none = Nothing is held here yet. What is watched on this node is kept as long as there is room.
identity-heading = Identity
identity-version = Version
sources-heading = Who brings it to you
sources-own = It is published to this node: nobody has to bring it.
sources-none = Nothing of it was fetched of late. Watch it, and this node says which others bring it.
source-publisher = Publisher
source-hops =
    { $hops ->
        [one] { $hops } hop
       *[other] { $hops } hops
    }
sources-hint = Parts of what came in the last { $minutes } min.
viewers-count = Watching: { $here } here, { $all } on all nodes.

node-code = Show this node’s address as a code
node-code-hint = Phones that are on this node’s WiFi, or reach it over the mesh, open its pages with it.

## The mesh

mesh-page-heading = The mesh
mesh-page-link = The whole mesh, as nodes tell it
mesh-counts = Known here: nodes { $nodes }, links { $links }, with a place { $located }.
mesh-map-heading = Map
mesh-map-none = No node tells where it stands.
mesh-map-title = Nodes that tell where they stand. The tables below say the same.
mesh-topology-heading = Who has a link to whom
mesh-topology-title = This node in the middle, the others round it by the number of links to them. The tables below say the same.
mesh-unmeasured = Not measured
mesh-one-end = Told by one end only
mesh-choose = Show a node
mesh-choose-none = None chosen
mesh-nodes-heading = Nodes
mesh-links-heading = Links
mesh-links-none = No link between two nodes is told of here yet.
column-hops = Hops
column-place = Place
column-between = Between
column-told = Told by
mesh-told-both = both ends
mesh-told-one = one end
mesh-this-node = This node
mesh-north = N
mesh-pages = Open its pages
mesh-not-asked = Others tell of it. It was not reached from here itself, so neither its place nor its own word of its links is known.
mesh-appear-heading = What nodes tell
mesh-appear = The owner of a node chooses whether it says where it stands, which it does not unless told to, and whether it tells of its links. On the node’s machine, or in the settings of its owner’s pages:
mesh-appear-hint = Give a place no more exactly than everybody may know: whoever reaches the node can ask for it.

## Player

player-video = Video
player-needs-script = The player needs JavaScript. Without it, open the address of the video in VLC or another player.
player-address = Address of the video
player-connecting = Connecting…
player-starting = Loading the video…
player-ready = Ready. Tap the button to play.
player-paused = Paused. Press play to go on.
player-ended = The broadcast has ended. Press play to see it again.
player-playing = Playing
player-playing-ended = Playing. The broadcast has ended.
player-playing-seconds = Playing, about { $seconds } s behind live
player-playing-minutes = Playing, about { $minutes } min behind live
player-sound = Playing sound only
player-sound-link = Playing sound only: the link brings no picture for now.
player-sound-ended = Playing sound only. The broadcast has ended.
player-sound-seconds = Playing sound only, about { $seconds } s behind live
player-sound-minutes = Playing sound only, about { $minutes } min behind live
player-unreachable = The node does not answer. Stay on its WiFi: the player goes on by itself.
player-unplayable = This browser cannot play the video. Try Firefox or Chrome, or open the address in VLC.
player-unknown = This node does not know that broadcast. Look at the node’s home page for what there is.
player-not-here-yet = The node is still fetching this part. The player goes on by itself.
player-waiting-to-start = Waiting for the publisher. The player starts by itself.
player-waiting-to-go-on = Waiting for the publisher. The player goes on by itself.
player-gap = This part was lost on the way. The player passes over it.
player-held = One moment: with a little more in hand it plays without stopping.
player-catching-up = Catching up: the video is on its way over the mesh.
player-too-slow = The way here carries { $carries } kbit/s, the video needs { $needs }. Pause and let it load, go nearer to the node, or watch it later from the beginning.
player-too-slow-choose = The way here carries { $carries } kbit/s, the video needs { $needs }. Choose a smaller picture or sound only, or watch it later from the beginning.
player-fetching = Fetching { $span } from other nodes: { $percent } % is here.
player-nobody-has = Nobody in reach has sent { $span } yet. The player asks on, and skips it in { $seconds } s.
player-tap-to-play = Tap to play
player-tap-for-sound = Tap for sound
player-skip = Skip this part
player-rewind = From the beginning
player-go-live = Go live
player-copy-link = Copy a link to this moment
player-link = Link to this moment
player-link-copied = Link copied
player-link-beside = Copy the link beside
player-link-not-now = Not now: try again
player-time-line = Time line
player-at = { $time } of { $end }
player-at-elsewhere = { $time }, to be fetched from other nodes
player-at-gap = { $time }, lost on the way
player-days = Day
player-chapters = Hour
player-renditions = Picture
player-rendition-auto = Picture: automatic
player-rendition-picture = { $height }p, { $kbps } kbit/s
player-rendition-sound = Sound only, { $kbps } kbit/s
player-rendition-hidden = Sound only, picture hidden
player-captions = Captions
player-captions-off = Captions: off
player-captions-number = Captions { $number }
player-picture-in-picture = Small window
player-keys = Keys
player-key-toggle = Play or pause
player-key-short = { $seconds } seconds back or on
player-key-long = { $seconds } seconds back or on
player-key-beginning = From the beginning
player-key-live = To the live edge
player-key-volume = Louder or quieter
player-key-mute = Sound on or off
player-key-captions = Captions on or off
player-key-fullscreen = Full screen
player-key-picture = Small window
player-key-help = Show or hide these keys

## Timeline

timeline-hint = Nodes write here, and people with a Scuttlebutt app that follow one another across the mesh.
comments-hint = Comments come over the mesh: from nodes, and from Scuttlebutt apps that answer this broadcast’s post.
write-as-owner = Write as this node (its owner only)
comments-none = No comments yet.
comments-on = Comments on { $title }
timeline-none = Nobody has written anything that has reached this node yet.
newest-posts = The newest posts
posts-missed = There is more than is shown: load it.
older = Older
in-answer-to = In answer to { $name }
replies =
    { $count ->
        [one] { $count } answer
       *[other] { $count } answers
    }
votes =
    { $count ->
        [one] { $count } like
       *[other] { $count } likes
    }
thread-heading = Conversation
thread-first-missing = The first post of this conversation has not reached this node, or its author is blocked here.
answers-heading = Answers
answers-none = No answers yet.
posts-heading = Posts
feed-no-posts = Nothing written here has reached this node yet.

## Owner

owner-nav = Owner’s pages
owner-overview = Overview
owner-broadcasts = Broadcasts
owner-cameras = Cameras
owner-keys = Stream keys
owner-posts = Posts
owner-hidden = Hidden
owner-feeds = Follow and block
owner-storage = Storage
owner-community = Community
owner-settings = Settings
owner-logs = Log
owner-save = Save
owner-cancel = Cancel
owner-back = Back
owner-manage = Manage
owner-watch = Watch
owner-title = Title
owner-description = Description
owner-began = began { $time }
owner-starts = starts { $time }
owner-of = { $some } of { $all }
owner-failed = The node could not do this: { $reason }. Nothing was changed. The log says more; try again, and look at the storage if it goes on.
owner-left-out = { $count } more are not shown here.
owner-to-broadcasts = All broadcasts

# Entering

owner-enter = Enter as the owner
owner-enter-button = Enter
owner-enter-by-link = This link lets this browser in as the owner of { $node }. It works once.
owner-enter-how = On the node’s machine this command prints a link that lets in once:
owner-enter-token = Or the admin token
owner-enter-token-hint = It stands in the file admin-token of the node’s data directory.
owner-link-over = This link was used already, or is older than ten minutes: make a new one with “meshstream admin link”.
owner-refused = Nothing was changed
owner-back-to-overview = Back to the overview
owner-denied-no-token = This node has no admin token: make a link with “meshstream admin link”.
owner-denied-origin = The form did not come from a page of this session: go back, load the page again, and send it once more.
owner-denied-form = The form was too long, or was cut off on its way: shorten it, or send it again.
owner-denied-wrong = This is not the admin token: compare it with the file, or make a link with “meshstream admin link”.
owner-denied-too-many = Too many wrong tries came from this address: wait a minute, then try again.
owner-denied-too-fast = Too many changes in a short time: wait some seconds, then send it again.
owner-denied-ended = This session is over: enter again. What you sent was not kept.

# Overview

owner-attention = What needs attention
owner-all-well = All is well.
owner-problems = What the node says, in English
owner-warn-disk = The disk is full: nothing is published or fetched. Free some space on it, or lower the reserve under Storage.
owner-warn-quota = The quota is used up by what may not go: raise it under Storage, or delete a broadcast.
owner-warn-files = There are as many files as there may be: raise storage.max_files in the configuration, or delete a broadcast.
owner-warn-failing = The disk cannot be written: see whether it is read-only or worn out. The log says what it answers.
owner-warn-clock = The clock of this machine is not set: broadcasts carry no times. Set it, or connect a clock.
owner-warn-link = No other node is connected: what is published here is seen only here. Look at the antenna, and at who is in reach.
owner-release-ready = Version { $version } is here, signed by { $signers }. To install it: sudo meshstream upgrade install
owner-warn-sound-silent = { $name }: there has been no sound for { $seconds } s. Look at the microphone, its cable, and who muted it.
owner-warn-sound-one-sided = { $name }: one of the two channels is silent. Connect both, or have the encoder mix them into one.
owner-warn-sound-clipped = { $name }: the sound is too loud and distorted. Turn it down where it is recorded.
owner-warn-sound-quiet = { $name }: the sound can hardly be heard. Turn it up, to between -23 and -16 LUFS.
owner-on-air = On the air
owner-nobody-publishes = Nobody publishes here now.
owner-stream = stream { $name }
owner-kbps = { $kbps } kbit/s
owner-loudness = sound at { $loudness } LUFS
owner-node = This node
owner-fact-peers = Other nodes connected
owner-fact-storage = Stored
owner-storage-used = { $used } of { $quota }
owner-fact-free = Free on the disk
owner-fact-reserve = Kept free
owner-fact-files = Files
owner-fact-version = Version
owner-fact-feed = Feed
owner-session = This session
owner-session-hint = It ends after two hours without use, after twelve in any case, and when the node restarts.
owner-leave = Sign out

# Cameras

owner-cameras-hint = The node takes these cameras itself, encodes them and publishes them. They start with the node.
owner-cameras-none = No camera is set up yet.
owner-cameras-without = This node was built without GStreamer, so it has no cameras of its own. Make a key and publish with OBS, ffmpeg or a phone instead:
owner-camera-add = Add a camera
owner-camera-of = Camera { $name }
owner-camera-change = Change
owner-camera-remove = Remove
owner-camera-start = Start
owner-camera-again = Start anew
owner-camera-stop = Stop
owner-camera-refresh = Look again
owner-camera-configured = It is set in the configuration file.
owner-camera-preview = What { $name } shows
owner-camera-off = switched off
owner-camera-starting = is starting
owner-camera-publishing = publishes
owner-camera-publishing-with = publishes, encoded by { $encoder }
owner-camera-waiting = is tried again after { $seconds } s
owner-camera-failed = does not run
owner-camera-ended = came to its end
owner-camera-drops = Pictures are left out: this machine, or the way to the node, does not keep up. Take a smaller size, fewer pictures a second, or a lower bitrate.
owner-camera-started = The camera { $name } starts.
owner-camera-stopped = The camera { $name } is off, and stays so.
owner-camera-set = The camera { $name } is set, and starts.
owner-camera-removed = The camera { $name } was removed. Its stream key stays until you revoke it.
owner-camera-gone = There is no such camera any more.
owner-camera-exists = There is a camera of this name: change that one, or take another name.
owner-camera-configured-only = The camera { $name } is set in the configuration file: change it there, and start the node anew.
owner-camera-too-many = There are { $most } cameras, which is the most: remove one first.
owner-camera-remove-sure = Remove the camera { $name }?
owner-camera-remove-lost = It stops, and what is set for it is forgotten. What it published stays.
owner-camera-devices = Found on the node’s machine
owner-camera-devices-none = Nothing is found. Plug a camera in and load this page again. A Raspberry Pi’s own camera needs the package gstreamer1.0-libcamera.
owner-camera-devices-failed = The node could not look what is plugged in: install the package gstreamer1.0-plugins-good. The log says more.
owner-camera-name-hint = Such as hall or stage-2. A stream key of this name is made by itself.
owner-camera-source = Picture
owner-camera-source-hint = first (the first camera found), /dev/video0, libcamera, an address such as rtsp://10.0.0.9/stream, the path of a picture such as /srv/poster.png, pattern (a test picture), or none (sound alone).
owner-camera-audio = Sound
owner-camera-audio-hint = Empty takes what goes with the picture. Else none, tone, alsa, pulse or pipewire, with a device behind a colon: alsa:hw:1.
owner-camera-size = Width and height
owner-camera-rate = Pictures a second
owner-camera-bitrate = Bitrate of the picture, kbit/s
owner-camera-bitrate-hint = What the weakest link on the way carries.
owner-camera-audio-bitrate = Bitrate of the sound, kbit/s
owner-camera-rotate = Turn clockwise
owner-camera-title = Written over the picture
owner-camera-clock = Show the time of day in the picture
owner-camera-encoder = Encoder
owner-camera-encoder-hint = Empty takes the best that works. Else v4l2h264enc, x264enc or openh264enc.
owner-camera-set-button = Save and start
owner-camera-wrong-source = This is no source: take one of those below the field.
owner-camera-wrong-audio = This is no sound: take one of those below the field. Without a moving picture there has to be a sound.
owner-camera-wrong-size = Write width and height in even pixels from 64 to 3840, such as 1280x720.
owner-camera-wrong-rate = Write a whole number from 1 to 120.
owner-camera-wrong-bitrate = Write a whole number of kbit/s, such as 1500 for the picture or 96 for the sound.
owner-camera-wrong-rotate = Take 0, 90, 180 or 270 degrees.
owner-camera-wrong-title = Write one line of at most 120 characters.
owner-camera-trouble-package = GStreamer has no { $element } here. Install it on the node’s machine: apt-get install { $package }
owner-camera-trouble-encoder = The encoder { $encoder } does not work here: leave the field empty, or name another.
owner-camera-trouble-none = No camera is found: plug one in, or name an address. A Raspberry Pi’s own camera needs the package gstreamer1.0-libcamera.
owner-camera-trouble-gone = { $device } is not there: plug it in, or choose another device.
owner-camera-trouble-permission = The node may not open { $device }: add its user to the groups video and audio, and restart it.
owner-camera-trouble-busy = { $device } is in use: end the program that has it.
owner-camera-trouble-format = { $device } gives nothing that can be used ({ $reason }): try another size or number of pictures.
owner-camera-trouble-source = { $address } cannot be read ({ $reason }): see whether it plays elsewhere.
owner-camera-trouble-over = { $address } ended: see whether the camera or the program that sends it is on.
owner-camera-trouble-refused = The node does not take the stream: { $reason }. If you ended its broadcast, let its stream in again under Broadcasts.
owner-camera-trouble-stalled = Nothing came for { $seconds } s: look at the camera, its cable and its link.
owner-camera-trouble-crashed = The encoder ended by itself ({ $status }). The log says more; try another encoder if it goes on.
owner-camera-trouble-key = There is a stream key for { $name } that this camera was not given: revoke it under Stream keys and start the camera anew, or give the camera another name.
owner-camera-trouble-other = It does not work: { $reason }. The log says more.

# Stream keys

owner-keys-hint = Whoever has the key of a stream name can publish under it. Give each camera or crew its own.
owner-keys-none = There is no stream key yet.
owner-key-add = Add a key
owner-key-add-button = Make the key
owner-key-name = Stream name
owner-key-name-hint = Such as hall or stage-2: letters, digits, dots, hyphens and underscores.
owner-key-name-wrong = This is no stream name: take 1 to 64 letters, digits, dots, hyphens and underscores, without spaces.
owner-key-exists = There is a key of this name already: revoke it first, or take another name.
owner-key-gone = There is no key of that name any more.
owner-key-made = The key for { $name } was made.
owner-key-made-at = made { $time }
owner-key-shown-once = The new key, shown only now
owner-key-shown-once-hint = Copy it now. The node keeps no key that it could show again: a lost one is revoked and made anew.
owner-key-then = Title and description of what is published with it:
owner-key-server = Server (OBS, phones)
owner-key-obs = Stream key (OBS, phones)
owner-key-ffmpeg = In one address (ffmpeg: -f flv ADDRESS)
owner-key-archive = Once it is over
owner-key-archive-default = As the node does it
owner-key-archive-yes = Keep it
owner-key-archive-no = Keep nothing
owner-key-archive-set = From the next broadcast of { $name } on.
owner-key-revoke = Revoke
owner-key-revoke-sure = Revoke the key of { $name }?
owner-key-revoke-lost = Nobody can publish with it any more. What was published stays. A new key for the name can be made at any time.
owner-key-revoke-live = Somebody publishes with it now, and will be disconnected.
owner-key-revoked = The key of { $name } no longer lets anyone in.

# Streams and plans

owner-streams = Streams
owner-streams-hint = A broadcast begins when a publisher connects with a stream’s key. What it is announced with is said here beforehand.
owner-stream-edit = The next broadcast
owner-stream-next = The next broadcast of { $name }
owner-stream-hint = It is announced with this. What is on the air now keeps what it has.
owner-stream-title-hint = Left empty, it is the title of the plan, or what the publisher’s program says, or the stream name.
owner-stream-fulfils = It is what was planned as
owner-stream-fulfils-none = Nothing that was planned
owner-stream-set = The next broadcast of { $name } is announced with this.
owner-stream-start = How it begins
owner-stream-start-how = Start the publisher’s program (OBS, a phone’s, ffmpeg) with these. The broadcast begins with its first picture, and ends when the publisher has been away for longer than ingest.grace in the settings says, a minute where nobody set it.
owner-stream-key-lost = The key was shown when it was made. Is it lost, revoke it and make another:
owner-stream-refused = You ended its broadcast: its publisher is refused until its program has not tried for some minutes.
owner-stream-admit = Let it in again now
owner-stream-admitted = The publisher of { $name } is let in again.
owner-planned = Planned
owner-planned-none = Nothing is planned.
owner-planned-add = Plan a broadcast
owner-planned-edit = Change the plan
owner-planned-hint = It is announced to every node, and shown as upcoming until it begins.
owner-planned-when = When it starts
owner-planned-date = Date
owner-planned-time = Time
owner-planned-zone = Time zone
owner-planned-time-wrong = This is no date and time: write them as 2026-12-31 and 20:15, and choose the time zone.
owner-planned-time-past = This is in the past: choose a later time, or set the clock of the node.
owner-planned-added = The broadcast is planned, and told to the other nodes.
owner-planned-changed = The plan was changed.
owner-planned-cancel = Call it off
owner-planned-cancel-sure = Call this broadcast off?
owner-planned-cancel-lost = It is no longer shown as upcoming, on any node. It can be planned again.
owner-planned-cancelled = The broadcast is called off.
owner-planned-gone = That is not planned any more.
owner-planned-too-many = 64 broadcasts are planned, which is the most: call one off that is not needed.

# Broadcasts

owner-own-ended = This node’s, ended
owner-own-ended-none = None has ended yet.
owner-others = Of other nodes, held here
owner-others-none = Nothing of other nodes is held here.
owner-segments-held =
    { $count ->
        [one] { $count } segment here
       *[other] { $count } segments here
    }
owner-published-by = Published by
owner-texts = Title and description
owner-title-empty = The title is empty: write one.
owner-title-long = The title is too long: shorten it to 200 characters.
owner-description-long = The description is too long: shorten it to 2000 characters.
owner-broadcast-updated = Title and description were changed, and told to the other nodes.
owner-broadcast-unknown = That broadcast is not known here.
owner-broadcast-over = That broadcast is over already.
owner-not-own = That broadcast is another node’s: only its publisher can do that.
owner-still-live = It is still live: end it first.
owner-nothing-held = Nothing of it is here: mirror it first.
owner-end = End the broadcast
owner-end-heading = End it
owner-end-hint = Its publisher is disconnected. It is enough to stop the publisher’s program, too.
owner-end-sure = End this broadcast?
owner-end-lost = All viewers see that it is over, and it cannot be continued: what comes after is a new broadcast. Its publisher is refused until its program has not tried for some minutes.
owner-broadcast-ended = The broadcast was ended.
owner-keep = Keep or delete
owner-keep-how-long = How long it stays on this node
owner-keep-default = as the node does it
owner-keep-default-own = As the node does it: own broadcasts stay
owner-keep-default-other = As the node does it: it makes room when room is needed
owner-keep-keep = Keep it: it never makes room
owner-keep-drop = Delete it some days after it has ended
owner-keep-drop-after =
    { $days ->
        [one] is deleted { $days } day after its end
       *[other] is deleted { $days } days after its end
    }
owner-keep-dropped = was deleted
owner-keep-days = Days, counted while the node runs
owner-keep-days-wrong = Write a number of days from 1 to { $most }. To delete it now, use the button below.
owner-keep-set = How long it stays was set.
owner-keep-unfinished = It goes on, or is being archived: say after how many days it is to be deleted, or wait until it has ended.
owner-keep-too-many = { $most } broadcasts have a rule of their own, which is the most: set some of them back.
owner-delete = Delete it from this node
owner-delete-sure = Delete this broadcast from this node?
owner-delete-lost =
    { $count ->
        [one] { $count } segment of it is here and is lost.
       *[other] { $count } segments of it are here and are lost.
    }
owner-delete-lost-own = Unless another node mirrors it, nobody has it afterwards.
owner-delete-lost-other = Its publisher may still have it. Its mirror here ends.
owner-broadcast-deleted = The broadcast was deleted from this node.
owner-mirror = Mirror
owner-mirror-hint = A mirror fetches and keeps all of it, and tells other nodes that it is here.
owner-mirror-begin = Mirror it here
owner-mirror-stop = Stop mirroring
owner-mirror-begun = It is mirrored from now on.
owner-mirror-ended = It is not mirrored any more. What is here stays until its room is needed.
owner-mirror-progress = { $here } of { $all } segments here
owner-mirror-own = It is this node’s own, and is kept without a mirror.
owner-mirror-not-running = It is not being mirrored.
owner-mirror-too-many = As many broadcasts are mirrored as may be: stop one first.
owner-mirror-by-setting = by the setting mesh.mirror
owner-not-to-be-kept = Its publisher announced that it is not to be kept.
owner-was-withdrawn = Its publisher took it back. The setting archive.honour_withdrawals says whether it is kept all the same.
owner-republish = Republish
owner-republish-hint = Tells your followers that it is worth keeping and that it is here. It stays its publisher’s. It cannot be unsaid.
owner-republished = It was republished.
owner-credit = To whom it is owed
owner-withdraw = Withdraw
owner-withdraw-hint = Takes it back: no node shows it any more, and those that honour it give up their copies.
owner-withdraw-sure = Withdraw this broadcast?
owner-withdraw-lost = It cannot be shown again: a withdrawal cannot be unsaid. Somebody may still have a copy.
owner-withdraw-reason = Reason, shown to everybody (may be empty)
owner-withdraw-copy = The copy on this node
owner-withdraw-copy-keep = Keep it
owner-withdraw-copy-remove =
    { $count ->
        [one] Delete it: { $count } segment is lost
       *[other] Delete it: { $count } segments are lost
    }
owner-withdrawn = The broadcast was withdrawn.
owner-withdrawn-badge = Withdrawn
owner-is-withdrawn = Its publisher took it back.
owner-reason-long = The text is too long: shorten it to 500 characters.

# Comments and what is hidden

owner-comments = Comments
owner-comments-none = Nobody has commented yet.
owner-comment = Comment as this node
owner-reply = Reply
owner-block-author = Block its author
owner-hide = Hide
owner-unhide = Show again
owner-hide-heading = Hide it on this node
owner-hide-hint = Visitors of this node do not see it any more. Other nodes show it as before, and it can be shown again at any time.
owner-hide-sure = Hide this?
owner-unhide-sure = Show this again?
owner-is-hidden = Hidden
owner-hidden-hint = Comments and broadcasts that visitors of this node do not see. Other nodes decide for themselves.
owner-hidden-none = Nothing is hidden. Comments are hidden on the page of their broadcast.
owner-hidden-since = hidden { $time }
owner-hidden-not-here = It is not known on this node:
owner-hidden-now = It is hidden on this node.
owner-shown-now = It is shown again.
owner-hidden-too-many = { $most } messages are hidden, which is the most: show some again, or block their authors.
owner-message-unknown = That is not known here any more.
owner-a-broadcast = Broadcast
owner-a-comment = Comment

# Posts

owner-post-text = Write as { $node }
owner-post-hint = In Markdown. Every node keeps it, and it cannot be unsaid.
owner-post-button = Post
owner-post-comment-on = A comment on this broadcast:
owner-post-reply-to = A reply to this post:
owner-post-empty = There is no text: write something.
owner-post-long = The text is too long for a message: shorten it to about 7000 characters.
owner-posted = It was posted.
owner-posts-newest = The newest posts
owner-posts-none = Nobody has posted yet.

# Follow and block

owner-feeds-hint = Whom this node follows is replicated, and whom they follow. Whom it blocks is neither fetched nor shown.
owner-feed-id = Feed
owner-feed-wrong = This is no feed: copy it whole, from @ to .ed25519.
owner-feed-own = This is the node’s own feed: name another one.
owner-feed-nameless = Without a name
owner-feed-followed = { $feed } is followed.
owner-feed-blocked = { $feed } is blocked.
owner-feed-neutral = { $feed } is neither followed nor blocked.
owner-feeds-none = No other feed is replicated here yet.
owner-feeds-more = { $count } more are not shown here. All of them are listed by
owner-follow = Follow
owner-unfollow = Unfollow
owner-block = Block
owner-unblock = Unblock
owner-following = Followed
owner-blocked = Blocked
owner-hops =
    { $hops ->
        [one] { $hops } step away
       *[other] { $hops } steps away
    }
owner-hops-none = outside of whom this node follows
owner-messages =
    { $messages ->
        [one] { $messages } message here
       *[other] { $messages } messages here
    }
owner-block-sure = Block this feed?
owner-block-lost = What is stored of it here is deleted: its messages, and its broadcasts. When it is unblocked, it has to be fetched again.
owner-block-broadcasts = Among them these broadcasts:

# Storage

owner-limits = How much may be stored
owner-quota = Most bytes of broadcasts
owner-reserve = Left free on the disk
owner-reserve-hint = A size such as 1GiB. It lets the node write down the end of a broadcast on a full disk.
owner-next = What goes next
owner-next-hint = When room is needed, these go in this order.
owner-next-none = Nothing that is stored makes room.
owner-held-passing = fetched because somebody watched it
owner-held-mirrored = mirrored
owner-held-kept = kept
owner-mirrors = Mirrors
owner-mirrors-none = Nothing is mirrored.
owner-mirror-waits-room = There is no room for more of it: raise the quota above, or delete something.
owner-mirror-waits-segments = No node within reach delivers what is missing. It is tried again.
owner-mirror-waits-archives = No node within reach delivers the archives that say what there is of it. It is tried again.
owner-mirror-waits-list = Nobody has said yet what there is of it. It is tried again.
owner-mirror-waits-node = This node could not go on with it: its log says why. It is tried again.
owner-kept = Broadcasts with a rule of their own
owner-kept-none = All broadcasts stay as the node does it.

# Community

owner-community-open = This node is in the open community: everybody who reaches it may take part.
owner-community-private = This node is in a private community. Nodes call it
owner-invite-show = Show the invite
owner-invite-secret = The invite is a secret: whoever sees it is in, for good. It cannot be taken back, only replaced by a new community. Show it to those alone who may see everything here.
owner-invite-code = The invite as a QR code
owner-invite = Invite
owner-invite-how = On the other node’s machine, this command reads it; then that node is restarted:
owner-community-other = Another community
owner-community-other-how = The community is changed on the node’s machine, not here: a browser on the air is no place for such a secret.
owner-community-join = Join one with its invite:
owner-community-invite-word = INVITE
owner-community-new = Make a new one:
owner-community-leave = Go back to the open one:
owner-community-restart = It takes effect when the node is restarted.

# Settings

owner-settings-hint = What is set here goes before the configuration file and stays over restarts. Other keys are set in that file.
owner-settings-waiting = These changes are kept and wait for a restart of the node: { $keys }. On its machine:
owner-settings-restart = How to restart the node
owner-settings-restart-hint = Without systemd, stop the node and start it again. A restart ends what is being published here: its program begins a new broadcast when it connects again.
owner-setting-default = Nobody set it.
owner-setting-file = Set in the configuration file.
owner-setting-here = Set here.
owner-setting-environment = Set by the environment of the node’s process, which goes before: change it there.
owner-setting-after-restart = Takes effect with the next start.
owner-setting-at-once = Takes effect at once.
owner-setting-runs-with = The node runs with
owner-setting-unset = Forget what is set here
owner-setting-set = { $key } was set.
owner-setting-waits = { $key } was set, and takes effect when the node is restarted.
owner-setting-unknown = That cannot be set here: set it in the configuration file.
owner-setting-wrong = It was not set: that is no value for it. { $value }
owner-setting-overridden = The environment variable { $variable } goes before: change it there.
owner-setting-size = A size such as 10GiB.
owner-setting-rate = A rate such as 8 Mbit/s, of at least 64 kbit/s.
owner-setting-duration = A duration such as 60s.
owner-setting-number = A whole number from 0 on.
owner-setting-location = A place such as { "{" } latitude = 43.65, longitude = -79.38 { "}" }.
owner-setting-name = A name of 1 to 100 characters.
owner-setting-address = An address such as http://10.0.0.5:8080, or nothing.
owner-setting-line = A line of text.
owner-setting-choice = One of: { $words }.
owner-setting-storage = It was not set: the settings could not be written down. See whether the disk is full or can only be read; the log says more.
setting-node-name = What this node is called, by its visitors and by other nodes.
setting-node-location = Where this node stands; other nodes are told. Leave it unset to tell nobody.
setting-ingest-grace = How long a broadcast waits for a publisher whose connection broke, before it ends.
setting-archive-keep = Whether broadcasts of this node are kept when they are over, and others may fetch them. A stream key may say otherwise.
setting-archive-honour-withdrawals = Whether mirrors here are released when the publisher withdraws a broadcast.
setting-storage-quota = What segments may take on the disk, this node’s own and others’. When it is full, others’ make room.
setting-storage-max-files = How many files segments may take on the disk.
setting-storage-reserve = What is left free on the disk, so that the machine goes on working.
setting-ssb-hops = How far this node replicates: 1 is whom it follows, 2 whom those follow.
setting-ssb-announce-post = Whether the start of a broadcast is also told in a post, which other SSB programs show.
setting-web-public-url = The address of this node’s pages as others reach it, where that is not what the machine knows of itself.
setting-web-gateway = What /ipfs/ serves: known, what known broadcasts have; open, whatever peers have, for anybody who reaches this node.
setting-mesh-mirror = Which broadcasts of others are fetched that nobody watches here: none and watched, no others; followed, those of the nodes that this one follows; all, those of everybody. With none, what is not watched any more is given up.
setting-mesh-tell-links = Whether other nodes are told to which neighbours this one has links, and how good these are, for the map of the mesh.
setting-mesh-max-upload = The most that this node sends to other nodes. Unset: no limit.
setting-mesh-max-upload-per-peer = The most that it sends to a single one. Unset: no limit.

# Log

owner-logs-hint = The newest line first. It is kept while the node runs, and may hold texts of other nodes.
owner-logs-level = Show
owner-logs-show = Show
owner-logs-none = There are no such lines.
owner-logs-newest = The newest
owner-logs-older = Older
owner-level-error = Errors
owner-level-warn = Warnings and errors
owner-level-info = What happens
owner-level-debug = Decisions, too
owner-level-trace = Everything

## Phones

portal-heading = Video on { $node }
portal-what = This network has no Internet. It has live video and archives of the people around, and any browser plays them.
portal-stay = Stay on this network
portal-then = Then open this address in your browser:
portal-through = You are on the network. Close this window, then open this address in your browser:
portal-small-browser = This window may not play video. A browser such as Chrome, Firefox or Safari does.
portal-code = QR code of this address
portal-show = Show the code to others on this network: their phones open the page.

# The first boot of a machine made from an image
first-boot-heading = Set up this node
first-boot-what = Nobody owns this machine yet: whoever fills in this page does. It takes a minute.
first-boot-problem = The machine could not be set up as it was filled in. Change what this speaks of, and try again:
first-boot-name = Name of the node
first-boot-name-hint = People see it on pages and on other nodes: the place, for example.
first-boot-name-wrong = Write a name of 1 to 64 characters.
first-boot-password = Your password
first-boot-password-hint = 16 or more letters, digits and signs without spaces or accents, such as four words with hyphens. It lets you into the owner’s pages, and into the machine as user mesh. Write it down: nobody can tell you again.
first-boot-password-wrong = Write 16 or more letters, digits and signs, without spaces and accents.
first-boot-again = The password again
first-boot-differs = The two passwords are not the same. Type both again.
first-boot-radio = WiFi
first-boot-country = Country
first-boot-country-hint = Two letters, such as CA or BR: each country allows other channels.
first-boot-country-wrong = Write the two letters of your country, such as CA.
first-boot-wifi = Beginning of the network’s name
first-boot-wifi-hint = The name of your mesh. Some letters of this machine’s own follow, as in mesh-1a2b.
first-boot-wifi-wrong = Write at most 20 lower-case letters, digits and hyphens.
first-boot-passphrase = Password of the WiFi
first-boot-passphrase-hint = 8 to 63 characters. With none, everybody may join, and hear what others do there.
first-boot-passphrase-wrong = Write 8 to 63 characters without accents, or nothing.
first-boot-community = Community
first-boot-open = The open one: all nodes without a community of their own
first-boot-new = A new private one: its invite stands on the owner’s pages afterwards
first-boot-join = One to which I have an invite
first-boot-invite = Invite
first-boot-invite-hint = Only to join. It is a secret: who has it is in.
first-boot-invite-wrong = This is no invite. Copy the whole of it, or choose another community.
first-boot-button = Set it up
first-boot-working = The machine sets itself up
first-boot-working-what = Its WiFi goes off now, and comes back within a minute. Then:
first-boot-working-join = Join the WiFi whose name begins with { $wifi }-.
first-boot-working-join-again = Join this machine’s WiFi again: its name may have changed.
first-boot-working-passphrase = It asks for the password that you chose for it.
first-boot-working-open = Open the node’s page:
first-boot-working-enter = Enter as its owner, with your password:
first-boot-working-problem = If it could not be done, this page says why:
