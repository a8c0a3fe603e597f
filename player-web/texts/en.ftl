# The texts of the pages and the player, in Fluent (https://projectfluent.org/fluent/guide/).
# CONTRIBUTING.md says how to add a text or a language. A variable's value is always shown as text, never as markup.

## Pages

skip-to-content = Skip to the content
nav-label = Pages
nav-broadcasts = Broadcasts
language-label = Language
on-node = on { $node }
served-by = Served by this node, over the mesh. No Internet is needed.
licences = Licences

page-title = { $page } – Meshstream
home-title = Meshstream on { $node }
broadcasts-heading = Broadcasts
live-heading = Live now
live-nobody = Nobody is live at the moment. A broadcast appears here as soon as this node hears of it. To publish one, ask the owner of a node for a stream key.
reload-to-look = Load the page again to look.
ended-heading = Ended
all-broadcasts = All broadcasts
untitled = Untitled broadcast
state-live = Live
state-ended = Ended
began = began { $when }
by = by { $publisher }
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
not-found-broadcast = This node does not know that broadcast.
not-found-hint = It may have a mistake in its address, or the news of it has not reached this node yet: try again in a minute, or look at all broadcasts.
page-failed = This page cannot be shown now. Try again in a minute.

## Player

## Timeline

## Owner

## Phones
