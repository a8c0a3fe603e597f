# Textes en français ; en.ftl est l’original, CONTRIBUTING.md explique comment ajouter un texte.

## Pages

skip-to-content = Aller au contenu
nav-label = Pages
nav-broadcasts = Diffusions
language-label = Langue
on-node = sur { $node }
served-by = Servi par ce nœud, à travers le réseau maillé. Sans Internet.
documentation = Documentation
licences = Licences

page-title = { $page } – Meshstream
home-title = Meshstream sur { $node }
broadcasts-heading = Diffusions
live-heading = En direct maintenant
live-nobody = Personne n’est en direct pour le moment. Une diffusion apparaît ici dès que ce nœud en a connaissance. Pour diffuser, demandez une clé de flux au propriétaire d’un nœud.
reload-to-look = Rechargez la page pour voir.
all-broadcasts = Toutes les diffusions
untitled = Diffusion sans titre
state-live = En direct
state-ended = Terminée
unknown-time = à une heure inconnue
list-not-current = Cette liste n’est pas à jour : le nœud ne répond pas. Restez sur son WiFi, elle reprend toute seule.

node-alone = Aucun autre nœud à portée : voici ce que ce nœud conserve.
node-connected =
    { $peers ->
        [one] Relié à { $peers } autre nœud.
       *[other] Relié à { $peers } autres nœuds.
    }
node-disk-full = Son disque est plein : il ne garde rien de nouveau.

published-by = Publiée par
withdrawn = La diffusion a été retirée par la personne qui l’a publiée.
withdrawn-because = La diffusion a été retirée par la personne qui l’a publiée : { $reason }
live-delay = Ici, le direct a au moins { $seconds } s de retard sur la caméra : la vidéo traverse le réseau par segments, et le lecteur en garde deux d’avance.
download-mp4 = Télécharger ce qui est disponible en MP4

not-found-heading = Introuvable
not-found-page = Cette page n’existe pas sur ce nœud.
not-found-document = La documentation n’a pas cette page. Elle a peut-être changé de nom : cherchez-la dans le sommaire.
not-found-broadcast = Ce nœud ne connaît pas cette diffusion.
not-found-hidden = Le propriétaire de ce nœud ne montre pas cette diffusion ici.
not-shown-heading = Pas montrée ici
not-shown-hint = D’autres nœuds la montrent peut-être.
not-found-hint = L’adresse contient peut-être une erreur, ou la nouvelle n’est pas encore arrivée jusqu’à ce nœud : réessayez dans une minute, ou consultez toutes les diffusions.
page-failed = Cette page ne peut pas être affichée pour le moment. Réessayez dans une minute.
nav-archive = Archives
nav-timeline = Fil
nav-node = Nœud
upcoming-heading = À venir
state-upcoming = À venir
recent-heading = Récentes
recent-none = Rien n’est encore terminé. Ce qui était en direct reste ici ensuite, tant qu’un nœud le conserve.
all-archive = Toutes les archives, par jour
how-to-publish = Comment diffuser
sound-only = Son seul
search-label = Chercher diffusions et personnes
search-button = Chercher
search-heading = Recherche
search-none = Rien de connu ici ne correspond. Essayez avec moins de mots ou d’autres : titres, descriptions et noms des diffuseurs sont parcourus.
docs-search-label = Chercher dans la documentation
docs-search-none = Rien dans la documentation ne contient tous ces mots. Elle est en anglais ; essayez avec moins de mots ou d’autres.
docs-contents = Toute la documentation
details-heading = Détails
share-heading = Partager ou intégrer
share-link = Lien vers cette page
share-embed = Code pour afficher le lecteur dans votre propre page
share-hint = Les deux fonctionnent partout où ce nœud est joignable : sur son WiFi et à travers le réseau maillé.
copy = Copier
copied = Copié
back-to-watch = La regarder
comments-heading = Commentaires
fact-state = État
fact-began = Début
fact-tracks = Contient
tracks-both = Image et son
tracks-picture = Image seule
fact-segments = Conservé ici
segments-held =
    { $held ->
        [one] { $held } segment de { $seconds } s au plus
       *[other] { $held } segments de { $seconds } s au plus
    }
fact-kept = Ensuite
kept-yes = Elle peut être conservée
kept-no = Elle n’est pas conservée une fois terminée
fact-id = Identité
fact-manifest = Manifeste du direct
this-node = Ce nœud
holders-heading = Aussi conservée par
holders-none = Aucun autre nœud n’a encore dit conserver cette diffusion.
holder-mirrors = En garde une copie
holder-republished = L’a republiée.
archives-heading = Archives
archives-none = Aucune heure n’est encore complète.
archives-hint = Une liste se lit dans VLC et d’autres lecteurs ; le lien IPFS est le même contenu sous son empreinte, depuis tout nœud qui l’a.
archive-part = Partie
archive-length = Durée
archive-size = Taille
archive-play = Lire
archive-playlist = Liste
archive-hour = Heure
archive-day = Jour
archive-whole = L’ensemble
archive-so-far = pour l’instant
older-days = Jours précédents
broadcasts-count =
    { $count ->
        [one] { $count } diffusion
       *[other] { $count } diffusions
    }
search-found =
    { $count ->
        [one] { $count } diffusion correspond.
       *[other] { $count } diffusions correspondent.
    }
search-more = Les { $count } plus récentes qui correspondent ; ajoutez un mot pour en trouver d’autres.
day-none = Rien de connu ici n’a été diffusé ce jour-là.
day-more = Suite de ce jour
days-label = Jours
earlier-day = Avant : { $date }
later-day = Après : { $date }
failed-heading = Pas maintenant
not-found-post = Ce message n’est pas connu ici, ou son auteur est bloqué sur ce nœud.
not-found-feed = On ne sait rien ici de cette personne.
mesh-heading = Le réseau vu d’ici
graph-title = Ce nœud, ses voisins et les nœuds au-delà. Le tableau ci-dessous dit la même chose.
graph-left-out =
    { $count ->
        [one] { $count } autre nœud est connu mais pas dessiné.
       *[other] { $count } autres nœuds sont connus mais pas dessinés.
    }
link-good = Bon
link-fair = Moyen
link-poor = Mauvais
link-unknown = Relié
link-connecting = En cours
link-down = Injoignable
storage-heading = Stockage
storage-used = { $used } sur { $quota } utilisés ({ $percent } %).
storage-free = { $free } du disque sont libres.
storage-disk-full = Le disque est plein : rien de nouveau n’est gardé tant qu’il n’y a pas de place.
storage-failing = La dernière écriture a échoué : le responsable de ce nœud devrait vérifier son disque.
storage-next = Ce qui fera place ensuite
publish-heading = Diffuser d’ici
publish-hint = Avec OBS, Larix, ffmpeg ou un autre programme qui envoie du RTMP, sur le réseau de ce nœud :
publish-nowhere = Ce nœud ne prend pas de flux depuis le réseau par lequel vous l’atteignez. Demandez à son responsable, ou diffusez depuis un autre nœud.
publish-server = Serveur
publish-key = Clé de flux
publish-key-hint = Demandez-la au responsable de ce nœud : il y en a une par nom de flux.
neighbours-heading = Voisins
neighbours-none = Pas encore de voisin. Les nœuds d’un même réseau se trouvent tout seuls.
column-node = Nœud
column-link = Lien
column-rtt = Aller-retour
column-loss = Perte
column-in = Reçu
column-out = Envoyé
column-over = Trouvé par
column-feed = Feed
column-heard = Dernières nouvelles
over-configured = réglages
over-inbound = son propre appel
over-lan = réseau local
minutes-ago = il y a { $minutes } min
known-label = Nœuds au-delà des voisins
known-heading =
    { $count ->
        [one] { $count } nœud au-delà
       *[other] { $count } nœuds au-delà
    }
held-heading = Conservé ici
held-none = Rien n’est encore conservé ici. Ce qui est regardé sur ce nœud est gardé tant qu’il y a de la place.
identity-heading = Identité
identity-version = Version
sources-heading = Qui vous l’apporte
sources-own = Elle est diffusée vers ce nœud : personne n’a à l’apporter.
sources-none = Rien n’en a été récupéré récemment. Regardez-la, et ce nœud dira lesquels l’apportent.
source-publisher = Diffuseur
source-hops =
    { $hops ->
        [one] { $hops } saut
       *[other] { $hops } sauts
    }
sources-hint = Parts de ce qui est arrivé dans les { $minutes } dernières minutes.
viewers-count = Spectateurs : { $here } ici, { $all } sur tous les nœuds.

node-code = Afficher l’adresse de ce nœud sous forme de code
node-code-hint = Les téléphones connectés à son WiFi, ou qui l’atteignent par le réseau, ouvrent ses pages avec ce code.

## The mesh

mesh-page-heading = Le réseau
mesh-page-link = Tout le réseau, d’après les nœuds
mesh-counts = Connus ici : nœuds { $nodes }, liens { $links }, avec un lieu { $located }.
mesh-map-heading = Carte
mesh-map-none = Aucun nœud ne dit où il est.
mesh-map-title = Les nœuds qui disent où ils sont. Les tableaux ci-dessous disent la même chose.
mesh-topology-heading = Qui a un lien avec qui
mesh-topology-title = Ce nœud au centre, les autres autour selon le nombre de liens jusqu’à eux. Les tableaux ci-dessous disent la même chose.
mesh-unmeasured = Pas mesuré
mesh-one-end = Dit par un seul bout
mesh-choose = Montrer un nœud
mesh-choose-none = Aucun choisi
mesh-nodes-heading = Nœuds
mesh-links-heading = Liens
mesh-links-none = On ne sait encore rien ici d’un lien entre deux nœuds.
column-hops = Sauts
column-place = Lieu
column-between = Entre
column-told = Dit par
mesh-told-both = les deux bouts
mesh-told-one = un bout
mesh-this-node = Ce nœud
mesh-north = N
mesh-pages = Ouvrir ses pages
mesh-not-asked = D’autres parlent de lui. Il n’a pas été joint d’ici : on ne connaît ni son lieu ni ce qu’il dit lui-même de ses liens.
mesh-appear-heading = Ce que disent les nœuds
mesh-appear = Le responsable d’un nœud choisit s’il dit où il est, ce qu’il ne fait pas sans qu’on le lui demande, et s’il parle de ses liens. Sur la machine du nœud, ou dans les réglages de ses pages d’administration :
mesh-appear-hint = Ne donnez pas un lieu plus précis que ce que tout le monde peut savoir : quiconque atteint le nœud peut le demander.

## Player

player-video = Vidéo
player-needs-script = Le lecteur a besoin de JavaScript. Sans lui, ouvrez l’adresse de la vidéo dans VLC ou un autre lecteur.
player-address = Adresse de la vidéo
player-connecting = Connexion…
player-starting = Chargement de la vidéo…
player-ready = Prêt. Touchez le bouton pour lire.
player-paused = En pause. Appuyez sur lecture pour continuer.
player-ended = La diffusion est terminée. Appuyez sur lecture pour la revoir.
player-playing = Lecture
player-playing-ended = Lecture. La diffusion est terminée.
player-playing-seconds = Lecture, environ { $seconds } s de retard sur le direct
player-playing-minutes = Lecture, environ { $minutes } min de retard sur le direct
player-sound = Lecture du son seul
player-sound-link = Lecture du son seul : la liaison n’apporte pas d’image pour l’instant.
player-sound-ended = Lecture du son seul. La diffusion est terminée.
player-sound-seconds = Lecture du son seul, environ { $seconds } s de retard sur le direct
player-sound-minutes = Lecture du son seul, environ { $minutes } min de retard sur le direct
player-unreachable = Le nœud ne répond pas. Restez sur son WiFi : le lecteur reprend de lui-même.
player-unplayable = Ce navigateur ne peut pas lire la vidéo. Essayez Firefox ou Chrome, ou ouvrez l’adresse dans VLC.
player-unknown = Ce nœud ne connaît pas cette diffusion. La page d’accueil du nœud montre ce qu’il y a.
player-not-here-yet = Le nœud va encore chercher cette partie. Le lecteur reprend de lui-même.
player-waiting-to-start = En attente de qui diffuse. Le lecteur démarre de lui-même.
player-waiting-to-go-on = En attente de qui diffuse. Le lecteur reprend de lui-même.
player-gap = Cette partie s’est perdue en route. Le lecteur la saute.
player-held = Un instant : avec un peu plus de réserve, la lecture ira sans arrêt.
player-catching-up = Rattrapage : la vidéo arrive par le réseau maillé.
player-too-slow = Il arrive ici { $carries } kbit/s, la vidéo en demande { $needs }. Mettez en pause pour la laisser charger, rapprochez-vous du nœud, ou regardez-la plus tard depuis le début.
player-too-slow-choose = Il arrive ici { $carries } kbit/s, la vidéo en demande { $needs }. Choisissez une image plus petite ou le son seul, ou regardez-la plus tard depuis le début.
player-fetching = Recherche de { $span } auprès d’autres nœuds : { $percent } % est là.
player-nobody-has = Personne à portée n’a encore envoyé { $span }. Le lecteur continue de demander et saute cette partie dans { $seconds } s.
player-tap-to-play = Toucher pour lire
player-tap-for-sound = Toucher pour le son
player-skip = Sauter cette partie
player-rewind = Depuis le début
player-go-live = Aller au direct
player-copy-link = Copier un lien vers ce moment
player-link = Lien vers ce moment
player-link-copied = Lien copié
player-link-beside = Copiez le lien à côté
player-link-not-now = Pas maintenant : réessayez
player-time-line = Ligne de temps
player-at = { $time } sur { $end }
player-at-elsewhere = { $time }, à aller chercher sur d’autres nœuds
player-at-gap = { $time }, perdu en route
player-days = Jour
player-chapters = Heure
player-renditions = Image
player-rendition-auto = Image : automatique
player-rendition-picture = { $height }p, { $kbps } kbit/s
player-rendition-sound = Son seul, { $kbps } kbit/s
player-rendition-hidden = Son seul, image masquée
player-captions = Sous-titres
player-captions-off = Sous-titres : non
player-captions-number = Sous-titres { $number }
player-picture-in-picture = Petite fenêtre
player-keys = Touches
player-key-toggle = Lecture ou pause
player-key-short = { $seconds } secondes en arrière ou en avant
player-key-long = { $seconds } secondes en arrière ou en avant
player-key-beginning = Depuis le début
player-key-live = Au direct
player-key-volume = Plus fort ou moins fort
player-key-mute = Avec ou sans le son
player-key-captions = Avec ou sans sous-titres
player-key-fullscreen = Plein écran
player-key-picture = Petite fenêtre
player-key-help = Montrer ou cacher ces touches

## Timeline

timeline-hint = Ici écrivent les nœuds, et les personnes munies d’une application Scuttlebutt qui se suivent à travers le réseau.
comments-hint = Les commentaires arrivent par le réseau : de nœuds, et d’applications Scuttlebutt qui répondent au message de cette diffusion.
write-as-owner = Écrire au nom de ce nœud (son propriétaire seulement)
comments-none = Pas encore de commentaires.
comments-on = Commentaires sur { $title }
timeline-none = Personne n’a encore rien écrit qui soit arrivé jusqu’à ce nœud.
newest-posts = Les messages les plus récents
posts-missed = Il y a plus que ce qui est affiché : chargez-le.
older = Plus anciens
in-answer-to = En réponse à { $name }
replies =
    { $count ->
        [one] { $count } réponse
       *[other] { $count } réponses
    }
votes =
    { $count ->
        [one] { $count } j’aime
       *[other] { $count } j’aime
    }
thread-heading = Conversation
thread-first-missing = Le premier message de cette conversation n’est pas arrivé jusqu’à ce nœud, ou son auteur est bloqué ici.
answers-heading = Réponses
answers-none = Pas encore de réponses.
posts-heading = Messages
feed-no-posts = Rien de ce qui a été écrit ici n’est encore arrivé jusqu’à ce nœud.

## Owner

owner-nav = Propriétaire
owner-overview = Vue d’ensemble
owner-broadcasts = Diffusions
owner-cameras = Caméras
owner-keys = Clés de diffusion
owner-posts = Publications
owner-hidden = Masqué
owner-feeds = Suivre et bloquer
owner-storage = Stockage
owner-community = Communauté
owner-settings = Réglages
owner-logs = Journal
owner-save = Enregistrer
owner-cancel = Annuler
owner-back = Retour
owner-manage = Gérer
owner-watch = Regarder
owner-title = Titre
owner-description = Description
owner-began = commencée { $time }
owner-starts = commence { $time }
owner-of = { $some } sur { $all }
owner-failed = Le nœud n’a pas pu le faire : { $reason }. Rien n’a été changé. Le journal en dit plus ; réessayez, et regardez le stockage si cela continue.
owner-left-out = { $count } autres ne sont pas affichés ici.
owner-to-broadcasts = Toutes les diffusions

# Entering

owner-enter = Entrer en tant que propriétaire
owner-enter-button = Entrer
owner-enter-by-link = Ce lien fait entrer ce navigateur en tant que propriétaire de { $node }. Il fonctionne une fois.
owner-enter-how = Sur la machine du nœud, cette commande affiche un lien qui fait entrer une fois :
owner-enter-token = Ou le jeton d’administration
owner-enter-token-hint = Il se trouve dans le fichier admin-token du répertoire de données du nœud.
owner-link-over = Ce lien a déjà servi, ou a plus de dix minutes : faites-en un autre avec « meshstream admin link ».
owner-refused = Rien n’a été changé
owner-back-to-overview = Retour à la vue d’ensemble
owner-denied-no-token = Ce nœud n’a pas de jeton d’administration : faites un lien avec « meshstream admin link ».
owner-denied-origin = Le formulaire ne vient pas d’une page de cette session : revenez en arrière, rechargez la page et envoyez-le de nouveau.
owner-denied-form = Le formulaire était trop long ou a été coupé en chemin : raccourcissez-le ou renvoyez-le.
owner-denied-wrong = Ce n’est pas le jeton d’administration : comparez-le avec le fichier, ou faites un lien avec « meshstream admin link ».
owner-denied-too-many = Trop d’essais manqués sont venus de cette adresse : attendez une minute, puis réessayez.
owner-denied-too-fast = Trop de changements en peu de temps : attendez quelques secondes, puis renvoyez.
owner-denied-ended = Cette session est terminée : entrez de nouveau. Ce que vous avez envoyé n’a pas été gardé.

# Overview

owner-attention = Ce qui demande attention
owner-all-well = Tout va bien.
owner-problems = Ce que dit le nœud, en anglais
owner-warn-disk = Le disque est plein : rien n’est publié ni récupéré. Libérez de la place, ou baissez la réserve dans Stockage.
owner-warn-quota = Le quota est pris par ce qui ne doit pas partir : augmentez-le dans Stockage, ou supprimez une diffusion.
owner-warn-files = Il y a autant de fichiers que permis : augmentez storage.max_files dans la configuration, ou supprimez une diffusion.
owner-warn-failing = Le disque ne peut pas être écrit : voyez s’il est en lecture seule ou usé. Le journal dit ce qu’il répond.
owner-warn-clock = L’horloge de cette machine n’est pas réglée : les diffusions n’ont pas d’heure. Réglez-la, ou branchez une horloge.
owner-warn-link = Aucun autre nœud n’est connecté : ce qui est publié ici n’est vu qu’ici. Regardez l’antenne, et qui est à portée.
owner-release-ready = La version { $version } est ici, signée par { $signers }. Pour l’installer : sudo meshstream upgrade install
owner-warn-sound-silent = { $name } : il n’y a pas de son depuis { $seconds } s. Regardez le micro, son câble et qui l’a coupé.
owner-warn-sound-one-sided = { $name } : l’un des deux canaux est muet. Branchez les deux, ou faites-les mélanger en un seul par l’encodeur.
owner-warn-sound-clipped = { $name } : le son est trop fort et saturé. Baissez-le là où il est enregistré.
owner-warn-sound-quiet = { $name } : le son s’entend à peine. Montez-le, entre -23 et -16 LUFS.
owner-on-air = À l’antenne
owner-nobody-publishes = Personne ne publie ici maintenant.
owner-stream = flux { $name }
owner-kbps = { $kbps } kbit/s
owner-loudness = son à { $loudness } LUFS
owner-node = Ce nœud
owner-fact-peers = Autres nœuds connectés
owner-fact-storage = Stocké
owner-storage-used = { $used } sur { $quota }
owner-fact-free = Libre sur le disque
owner-fact-reserve = Laissé libre
owner-fact-files = Fichiers
owner-fact-version = Version
owner-fact-feed = Identité
owner-session = Cette session
owner-session-hint = Elle se termine après deux heures sans usage, après douze en tout cas, et quand le nœud redémarre.
owner-leave = Se déconnecter

# Cameras

owner-cameras-hint = Le nœud prend lui-même ces caméras, les encode et les publie. Elles démarrent avec le nœud.
owner-cameras-none = Aucune caméra n’est encore installée.
owner-cameras-without = Ce nœud a été construit sans GStreamer et n’a donc pas de caméras à lui. Créez une clé et publiez avec OBS, ffmpeg ou un téléphone :
owner-camera-add = Ajouter une caméra
owner-camera-of = Caméra { $name }
owner-camera-change = Modifier
owner-camera-remove = Retirer
owner-camera-start = Démarrer
owner-camera-again = Redémarrer
owner-camera-stop = Arrêter
owner-camera-refresh = Regarder à nouveau
owner-camera-configured = Elle est dans le fichier de configuration.
owner-camera-preview = Ce que montre { $name }
owner-camera-off = éteinte
owner-camera-starting = démarre
owner-camera-publishing = publie
owner-camera-publishing-with = publie, encodée par { $encoder }
owner-camera-waiting = nouvel essai après { $seconds } s
owner-camera-failed = ne marche pas
owner-camera-ended = est arrivée à sa fin
owner-camera-drops = Des images sont omises : cette machine, ou le chemin vers le nœud, ne suit pas. Prenez une taille plus petite, moins d’images par seconde ou un débit plus bas.
owner-camera-started = La caméra { $name } démarre.
owner-camera-stopped = La caméra { $name } est éteinte, et le reste.
owner-camera-set = La caméra { $name } est réglée et démarre.
owner-camera-removed = La caméra { $name } a été retirée. Sa clé reste valable jusqu’à ce que vous la révoquiez.
owner-camera-gone = Cette caméra n’existe plus.
owner-camera-exists = Il y a déjà une caméra de ce nom : modifiez celle-là, ou prenez un autre nom.
owner-camera-configured-only = La caméra { $name } est dans le fichier de configuration : modifiez-la là, puis redémarrez le nœud.
owner-camera-too-many = Il y a { $most } caméras, c’est le maximum : retirez-en une d’abord.
owner-camera-remove-sure = Retirer la caméra { $name } ?
owner-camera-remove-lost = Elle s’arrête, et ses réglages sont oubliés. Ce qu’elle a publié reste.
owner-camera-devices = Trouvé sur la machine du nœud
owner-camera-devices-none = Rien n’est trouvé. Branchez une caméra et rechargez cette page. La caméra propre à un Raspberry Pi demande le paquet gstreamer1.0-libcamera.
owner-camera-devices-failed = Le nœud n’a pas pu regarder ce qui est branché : installez le paquet gstreamer1.0-plugins-good. Le journal en dit plus.
owner-camera-name-hint = Comme salle ou scene-2. La clé de ce nom est créée toute seule.
owner-camera-source = Image
owner-camera-source-hint = first (la première caméra trouvée), /dev/video0, libcamera, une adresse comme rtsp://10.0.0.9/stream, le chemin d’une image comme /srv/affiche.png, pattern (une mire) ou none (le son seul).
owner-camera-audio = Son
owner-camera-audio-hint = Vide prend celui qui va avec l’image. Sinon none, tone, alsa, pulse ou pipewire, avec un appareil après deux-points : alsa:hw:1.
owner-camera-size = Largeur et hauteur
owner-camera-rate = Images par seconde
owner-camera-bitrate = Débit de l’image, kbit/s
owner-camera-bitrate-hint = Ce que porte le lien le plus faible du chemin.
owner-camera-audio-bitrate = Débit du son, kbit/s
owner-camera-rotate = Tourner vers la droite
owner-camera-title = Écrit sur l’image
owner-camera-clock = Montrer l’heure dans l’image
owner-camera-encoder = Encodeur
owner-camera-encoder-hint = Vide prend le meilleur qui marche. Sinon v4l2h264enc, x264enc ou openh264enc.
owner-camera-set-button = Enregistrer et démarrer
owner-camera-wrong-source = Ce n’est pas une source : prenez l’une de celles écrites sous le champ.
owner-camera-wrong-audio = Ce n’est pas un son : prenez l’un de ceux écrits sous le champ. Sans image qui bouge, il faut un son.
owner-camera-wrong-size = Écrivez largeur et hauteur en pixels pairs de 64 à 3840, comme 1280x720.
owner-camera-wrong-rate = Écrivez un nombre entier de 1 à 120.
owner-camera-wrong-bitrate = Écrivez un nombre entier de kbit/s, comme 1500 pour l’image ou 96 pour le son.
owner-camera-wrong-rotate = Prenez 0, 90, 180 ou 270 degrés.
owner-camera-wrong-title = Écrivez une ligne de 120 caractères au plus.
owner-camera-trouble-package = GStreamer n’a pas { $element } ici. Installez-le sur la machine du nœud : apt-get install { $package }
owner-camera-trouble-encoder = L’encodeur { $encoder } ne marche pas ici : laissez le champ vide, ou nommez-en un autre.
owner-camera-trouble-none = Aucune caméra n’est trouvée : branchez-en une, ou donnez une adresse. La caméra propre à un Raspberry Pi demande le paquet gstreamer1.0-libcamera.
owner-camera-trouble-gone = { $device } n’est pas là : branchez-le, ou choisissez un autre appareil.
owner-camera-trouble-permission = Le nœud n’a pas le droit d’ouvrir { $device } : ajoutez son utilisateur aux groupes video et audio, et redémarrez-le.
owner-camera-trouble-busy = { $device } est occupé : fermez le programme qui l’utilise.
owner-camera-trouble-format = { $device } ne donne rien d’utilisable ({ $reason }) : essayez une autre taille ou un autre nombre d’images.
owner-camera-trouble-source = { $address } ne peut pas être lu ({ $reason }) : voyez si cela se lit ailleurs.
owner-camera-trouble-over = { $address } a pris fin : voyez si la caméra ou le programme qui l’envoie est allumé.
owner-camera-trouble-refused = Le nœud n’accepte pas le flux : { $reason }. Si vous avez terminé sa diffusion, laissez à nouveau entrer son flux sous Diffusions.
owner-camera-trouble-stalled = Rien n’est venu pendant { $seconds } s : regardez la caméra, son câble et son lien.
owner-camera-trouble-crashed = L’encodeur s’est terminé de lui-même ({ $status }). Le journal en dit plus ; essayez un autre encodeur si cela continue.
owner-camera-trouble-key = Il y a pour { $name } une clé que cette caméra n’a pas reçue : révoquez-la sous Clés et redémarrez la caméra, ou donnez un autre nom à la caméra.
owner-camera-trouble-other = Cela ne marche pas : { $reason }. Le journal en dit plus.

# Stream keys

owner-keys-hint = Qui a la clé d’un nom de flux peut publier sous ce nom. Donnez à chaque caméra ou équipe la sienne.
owner-keys-none = Il n’y a pas encore de clé.
owner-key-add = Ajouter une clé
owner-key-add-button = Créer la clé
owner-key-name = Nom du flux
owner-key-name-hint = Comme salle ou scene-2 : lettres, chiffres, points, tirets et tirets bas.
owner-key-name-wrong = Ce n’est pas un nom de flux : prenez 1 à 64 lettres, chiffres, points, tirets et tirets bas, sans espaces.
owner-key-exists = Il y a déjà une clé de ce nom : révoquez-la d’abord, ou prenez un autre nom.
owner-key-gone = Il n’y a plus de clé de ce nom.
owner-key-made = La clé de { $name } a été créée.
owner-key-made-at = créée { $time }
owner-key-shown-once = La nouvelle clé, montrée maintenant seulement
owner-key-shown-once-hint = Copiez-la maintenant. Le nœud ne garde aucune clé qu’il pourrait montrer de nouveau : une clé perdue se révoque et se refait.
owner-key-then = Titre et description de ce qui est diffusé avec elle :
owner-key-server = Serveur (OBS, téléphones)
owner-key-obs = Clé de stream (OBS, téléphones)
owner-key-ffmpeg = En une adresse (ffmpeg : -f flv ADRESSE)
owner-key-archive = Une fois terminée
owner-key-archive-default = Comme le fait le nœud
owner-key-archive-yes = La garder
owner-key-archive-no = Ne rien garder
owner-key-archive-set = À partir de la prochaine diffusion de { $name }.
owner-key-revoke = Révoquer
owner-key-revoke-sure = Révoquer la clé de { $name } ?
owner-key-revoke-lost = Personne ne pourra plus publier avec elle. Ce qui a été publié reste. Une nouvelle clé pour ce nom peut être créée à tout moment.
owner-key-revoke-live = Quelqu’un publie avec elle maintenant, et sera déconnecté.
owner-key-revoked = La clé de { $name } ne laisse plus entrer personne.

# Streams and plans

owner-streams = Flux
owner-streams-hint = Une diffusion commence quand quelqu’un se connecte avec la clé d’un flux. Ce avec quoi elle est annoncée se dit ici d’avance.
owner-stream-edit = La prochaine diffusion
owner-stream-next = La prochaine diffusion de { $name }
owner-stream-hint = Elle est annoncée avec ceci. Ce qui est à l’antenne garde ce qu’il a.
owner-stream-title-hint = Vide, c’est le titre du plan, ou ce que dit le programme de qui publie, ou le nom du flux.
owner-stream-fulfils = C’est ce qui était prévu comme
owner-stream-fulfils-none = Rien de prévu
owner-stream-set = La prochaine diffusion de { $name } est annoncée avec ceci.
owner-stream-start = Comment elle commence
owner-stream-start-how = Lancez le programme de qui publie (OBS, celui d’un téléphone, ffmpeg) avec ceci. La diffusion commence avec la première image, et se termine quand qui publie est absent plus longtemps que ne le dit ingest.grace dans les réglages, une minute si personne ne l’a réglé.
owner-stream-key-lost = La clé a été montrée à sa création. Si elle est perdue, révoquez-la et faites-en une autre :
owner-stream-refused = Vous avez terminé sa diffusion : qui publie est refusé jusqu’à ce que son programme n’essaie plus pendant quelques minutes.
owner-stream-admit = Le laisser entrer maintenant
owner-stream-admitted = Qui publie { $name } peut entrer de nouveau.
owner-planned = Prévu
owner-planned-none = Rien n’est prévu.
owner-planned-add = Prévoir une diffusion
owner-planned-edit = Changer le plan
owner-planned-hint = Elle est annoncée à tous les nœuds, et montrée comme à venir jusqu’à son début.
owner-planned-when = Quand elle commence
owner-planned-date = Date
owner-planned-time = Heure
owner-planned-zone = Fuseau horaire
owner-planned-time-wrong = Ce n’est pas une date avec heure : écrivez 2026-12-31 et 20:15, et choisissez le fuseau.
owner-planned-time-past = C’est dans le passé : choisissez plus tard, ou réglez l’horloge du nœud.
owner-planned-added = La diffusion est prévue, et dite aux autres nœuds.
owner-planned-changed = Le plan a été changé.
owner-planned-cancel = L’annuler
owner-planned-cancel-sure = Annuler cette diffusion ?
owner-planned-cancel-lost = Elle n’est plus montrée comme à venir, sur aucun nœud. Elle peut être prévue de nouveau.
owner-planned-cancelled = La diffusion est annulée.
owner-planned-gone = Cela n’est plus prévu.
owner-planned-too-many = 64 diffusions sont prévues, c’est le maximum : annulez-en une qui n’est pas nécessaire.

# Broadcasts

owner-own-ended = De ce nœud, terminées
owner-own-ended-none = Aucune n’est encore terminée.
owner-others = D’autres nœuds, gardées ici
owner-others-none = Rien d’autres nœuds n’est gardé ici.
owner-segments-held =
    { $count ->
        [one] { $count } segment ici
       *[other] { $count } segments ici
    }
owner-published-by = Publiée par
owner-texts = Titre et description
owner-title-empty = Le titre est vide : écrivez-en un.
owner-title-long = Le titre est trop long : raccourcissez-le à 200 caractères.
owner-description-long = La description est trop longue : raccourcissez-la à 2000 caractères.
owner-broadcast-updated = Le titre et la description ont été changés, et dits aux autres nœuds.
owner-broadcast-unknown = Cette diffusion n’est pas connue ici.
owner-broadcast-over = Cette diffusion est déjà terminée.
owner-not-own = Cette diffusion est d’un autre nœud : seul qui la publie peut le faire.
owner-still-live = Elle est encore en direct : terminez-la d’abord.
owner-nothing-held = Rien d’elle n’est ici : gardez-en d’abord une copie.
owner-end = Terminer la diffusion
owner-end-heading = La terminer
owner-end-hint = Qui publie est déconnecté. Il suffit aussi d’arrêter son programme.
owner-end-sure = Terminer cette diffusion ?
owner-end-lost = Tout le public voit qu’elle est terminée, et elle ne peut pas être continuée : ce qui vient après est une nouvelle diffusion. Qui publie est refusé jusqu’à ce que son programme n’essaie plus pendant quelques minutes.
owner-broadcast-ended = La diffusion a été terminée.
owner-keep = Garder ou supprimer
owner-keep-how-long = Combien de temps elle reste sur ce nœud
owner-keep-default = comme le fait le nœud
owner-keep-default-own = Comme le fait le nœud : les siennes restent
owner-keep-default-other = Comme le fait le nœud : elle fait place quand il en faut
owner-keep-keep = La garder : elle ne fait jamais place
owner-keep-drop = La supprimer quelques jours après sa fin
owner-keep-drop-after =
    { $days ->
        [one] est supprimée { $days } jour après sa fin
       *[other] est supprimée { $days } jours après sa fin
    }
owner-keep-dropped = a été supprimée
owner-keep-days = Jours, comptés tant que le nœud tourne
owner-keep-days-wrong = Écrivez un nombre de jours de 1 à { $most }. Pour la supprimer maintenant, utilisez le bouton plus bas.
owner-keep-set = La durée pendant laquelle elle reste a été fixée.
owner-keep-unfinished = Elle continue, ou est en cours d’archivage : dites après combien de jours la supprimer, ou attendez sa fin.
owner-keep-too-many = { $most } diffusions ont une règle à elles, c’est le maximum : remettez-en quelques-unes comme avant.
owner-delete = La supprimer de ce nœud
owner-delete-sure = Supprimer cette diffusion de ce nœud ?
owner-delete-lost =
    { $count ->
        [one] { $count } segment est ici et est perdu.
       *[other] { $count } segments sont ici et sont perdus.
    }
owner-delete-lost-own = À moins qu’un autre nœud n’en garde une copie, personne ne l’aura ensuite.
owner-delete-lost-other = Qui la publie l’a peut-être encore. Sa copie ici prend fin.
owner-broadcast-deleted = La diffusion a été supprimée de ce nœud.
owner-mirror = Copie
owner-mirror-hint = Une copie la récupère et la garde en entier, et dit aux autres nœuds qu’elle est ici.
owner-mirror-begin = En garder une copie ici
owner-mirror-stop = Cesser de copier
owner-mirror-begun = Une copie est gardée à partir de maintenant.
owner-mirror-ended = Elle n’est plus copiée. Ce qui est ici reste jusqu’à ce que la place manque.
owner-mirror-progress = { $here } segments sur { $all } ici
owner-mirror-own = Elle est de ce nœud, et gardée sans copie.
owner-mirror-not-running = Elle n’est pas copiée.
owner-mirror-too-many = Autant de diffusions que permis sont copiées : arrêtez-en une d’abord.
owner-mirror-by-setting = par le réglage mesh.mirror
owner-not-to-be-kept = Qui la publie a annoncé qu’elle ne doit pas être gardée.
owner-was-withdrawn = Qui la publie l’a retirée. Le réglage archive.honour_withdrawals dit si elle est gardée quand même.
owner-republish = Republier
owner-republish-hint = Dit à qui vous suit qu’elle mérite d’être gardée et qu’elle est ici. Elle reste à qui l’a publiée. Cela ne peut pas être retiré.
owner-republished = Elle a été republiée.
owner-credit = À qui on la doit
owner-withdraw = Retirer
owner-withdraw-hint = La retire : aucun nœud ne la montre plus, et ceux qui le respectent abandonnent leurs copies.
owner-withdraw-sure = Retirer cette diffusion ?
owner-withdraw-lost = Elle ne pourra plus être montrée : un retrait ne se reprend pas. Quelqu’un peut encore en avoir une copie.
owner-withdraw-reason = Raison, montrée à tout le monde (peut être vide)
owner-withdraw-copy = La copie sur ce nœud
owner-withdraw-copy-keep = La garder
owner-withdraw-copy-remove =
    { $count ->
        [one] La supprimer : { $count } segment est perdu
       *[other] La supprimer : { $count } segments sont perdus
    }
owner-withdrawn = La diffusion a été retirée.
owner-withdrawn-badge = Retirée
owner-is-withdrawn = Qui la publie l’a retirée.
owner-reason-long = Le texte est trop long : raccourcissez-le à 500 caractères.

# Comments and what is hidden

owner-comments = Commentaires
owner-comments-none = Personne n’a encore commenté.
owner-comment = Commenter en tant que ce nœud
owner-reply = Répondre
owner-block-author = Bloquer son auteur
owner-hide = Masquer
owner-unhide = Montrer de nouveau
owner-hide-heading = La masquer sur ce nœud
owner-hide-hint = Les visiteurs de ce nœud ne le voient plus. Les autres nœuds le montrent comme avant, et il peut être montré de nouveau à tout moment.
owner-hide-sure = Masquer ceci ?
owner-unhide-sure = Montrer ceci de nouveau ?
owner-is-hidden = Masqué
owner-hidden-hint = Commentaires et diffusions que les visiteurs de ce nœud ne voient pas. Les autres nœuds décident pour eux-mêmes.
owner-hidden-none = Rien n’est masqué. Les commentaires se masquent sur la page de leur diffusion.
owner-hidden-since = masqué { $time }
owner-hidden-not-here = Il n’est pas connu sur ce nœud :
owner-hidden-now = Il est masqué sur ce nœud.
owner-shown-now = Il est montré de nouveau.
owner-hidden-too-many = { $most } messages sont masqués, c’est le maximum : montrez-en quelques-uns, ou bloquez leurs auteurs.
owner-message-unknown = Cela n’est plus connu ici.
owner-a-broadcast = Diffusion
owner-a-comment = Commentaire

# Posts

owner-post-text = Écrire en tant que { $node }
owner-post-hint = En Markdown. Tous les nœuds le gardent, et il ne peut pas être retiré.
owner-post-button = Publier
owner-post-comment-on = Un commentaire sur cette diffusion :
owner-post-reply-to = Une réponse à cette publication :
owner-post-empty = Il n’y a pas de texte : écrivez quelque chose.
owner-post-long = Le texte est trop long pour un message : raccourcissez-le à environ 7000 caractères.
owner-posted = C’est publié.
owner-posts-newest = Les publications les plus récentes
owner-posts-none = Personne n’a encore publié.

# Follow and block

owner-feeds-hint = Qui ce nœud suit est répliqué, et qui ceux-là suivent. Qui il bloque n’est ni récupéré ni montré.
owner-feed-id = Identité
owner-feed-wrong = Ce n’est pas une identité : copiez-la en entier, de @ à .ed25519.
owner-feed-own = C’est l’identité du nœud lui-même : nommez-en une autre.
owner-feed-nameless = Sans nom
owner-feed-followed = { $feed } est suivi.
owner-feed-blocked = { $feed } est bloqué.
owner-feed-neutral = { $feed } n’est ni suivi ni bloqué.
owner-feeds-none = Aucune autre identité n’est encore répliquée ici.
owner-feeds-more = { $count } autres ne sont pas affichées ici. Toutes sont listées par
owner-follow = Suivre
owner-unfollow = Ne plus suivre
owner-block = Bloquer
owner-unblock = Débloquer
owner-following = Suivie
owner-blocked = Bloquée
owner-hops =
    { $hops ->
        [one] à { $hops } pas
       *[other] à { $hops } pas
    }
owner-hops-none = hors de qui ce nœud suit
owner-messages =
    { $messages ->
        [one] { $messages } message ici
       *[other] { $messages } messages ici
    }
owner-block-sure = Bloquer cette identité ?
owner-block-lost = Ce qui est stocké d’elle ici est supprimé : ses messages et ses diffusions. Quand elle est débloquée, il faut tout récupérer de nouveau.
owner-block-broadcasts = Dont ces diffusions :

# Storage

owner-limits = Combien peut être stocké
owner-quota = Maximum d’octets de diffusions
owner-reserve = Laissé libre sur le disque
owner-reserve-hint = Une taille comme 1GiB. Elle permet au nœud de noter la fin d’une diffusion sur un disque plein.
owner-next = Ce qui partira d’abord
owner-next-hint = Quand la place manque, elles partent dans cet ordre.
owner-next-none = Rien de ce qui est stocké ne fait place.
owner-held-passing = récupérée parce que quelqu’un l’a regardée
owner-held-mirrored = copiée
owner-held-kept = gardée
owner-mirrors = Copies
owner-mirrors-none = Rien n’est copié.
owner-mirror-waits-room = Il n’y a plus de place pour la suite : augmentez le quota ci-dessus ou supprimez quelque chose.
owner-mirror-waits-segments = Aucun nœud à portée ne fournit ce qui manque. Un nouvel essai suivra.
owner-mirror-waits-archives = Aucun nœud à portée ne fournit les archives qui disent ce qu’il y en a. Un nouvel essai suivra.
owner-mirror-waits-list = Personne n’a encore dit ce qu’il y en a. Un nouvel essai suivra.
owner-mirror-waits-node = Ce nœud n’a pas pu continuer : son journal dit pourquoi. Un nouvel essai suivra.
owner-kept = Diffusions avec une règle à elles
owner-kept-none = Toutes les diffusions restent comme le fait le nœud.

# Community

owner-community-open = Ce nœud est dans la communauté ouverte : qui l’atteint peut participer.
owner-community-private = Ce nœud est dans une communauté privée. Les nœuds l’appellent
owner-invite-show = Montrer l’invitation
owner-invite-secret = L’invitation est un secret : qui la voit est dedans, pour toujours. Elle ne peut pas être reprise, seulement remplacée par une nouvelle communauté. Ne la montrez qu’à qui peut tout voir ici.
owner-invite-code = L’invitation sous forme de code QR
owner-invite = Invitation
owner-invite-how = Sur la machine de l’autre nœud, cette commande la lit ; puis ce nœud est redémarré :
owner-community-other = Une autre communauté
owner-community-other-how = La communauté se change sur la machine du nœud, pas ici : un navigateur par radio n’est pas le lieu d’un tel secret.
owner-community-join = En rejoindre une avec son invitation :
owner-community-invite-word = INVITATION
owner-community-new = En créer une nouvelle :
owner-community-leave = Revenir à celle qui est ouverte :
owner-community-restart = Cela prend effet quand le nœud redémarre.

# Settings

owner-settings-hint = Ce qui est réglé ici passe avant le fichier de configuration et reste après un redémarrage. Les autres clés se règlent dans ce fichier.
owner-settings-waiting = Ces changements sont gardés et attendent un redémarrage du nœud : { $keys }. Sur sa machine :
owner-settings-restart = Comment redémarrer le nœud
owner-settings-restart-hint = Sans systemd, arrêtez le nœud et relancez-le. Un redémarrage termine ce qui est diffusé ici : son programme commence une nouvelle diffusion en se reconnectant.
owner-setting-default = Personne ne l’a réglé.
owner-setting-file = Réglé dans le fichier de configuration.
owner-setting-here = Réglé ici.
owner-setting-environment = Réglé par l’environnement du processus du nœud, qui passe avant : changez-le là.
owner-setting-after-restart = Prend effet au prochain démarrage.
owner-setting-at-once = Prend effet aussitôt.
owner-setting-runs-with = Le nœud tourne avec
owner-setting-unset = Oublier ce qui est réglé ici
owner-setting-set = { $key } a été réglé.
owner-setting-waits = { $key } a été réglé, et prendra effet quand le nœud redémarrera.
owner-setting-unknown = Cela ne peut pas être réglé ici : réglez-le dans le fichier de configuration.
owner-setting-wrong = Ce n’est pas réglé : ce n’est pas une valeur possible. { $value }
owner-setting-overridden = La variable d’environnement { $variable } passe avant : changez-la là.
owner-setting-size = Une taille comme 10GiB.
owner-setting-rate = Un débit comme 8 Mbit/s, d’au moins 64 kbit/s.
owner-setting-duration = Une durée comme 60s.
owner-setting-number = Un nombre entier à partir de 0.
owner-setting-location = Un lieu comme { "{" } latitude = 43.65, longitude = -79.38 { "}" }.
owner-setting-name = Un nom de 1 à 100 caractères.
owner-setting-address = Une adresse comme http://10.0.0.5:8080, ou rien.
owner-setting-line = Une ligne de texte.
owner-setting-choice = Au choix : { $words }.
owner-setting-storage = Ce n’est pas réglé : les réglages n’ont pas pu être écrits. Voyez si le disque est plein ou en lecture seule ; le journal en dit plus.
setting-node-name = Comment ce nœud s’appelle, pour ses visiteurs et pour les autres nœuds.
setting-node-location = Où se trouve ce nœud ; les autres nœuds l’apprennent. Sans réglage, personne.
setting-ingest-grace = Combien de temps une diffusion attend qui diffuse et a perdu la connexion, avant de se terminer.
setting-archive-keep = Si les diffusions de ce nœud sont conservées quand elles sont terminées, et que d’autres peuvent les chercher. Une clé de flux peut en décider autrement.
setting-archive-honour-withdrawals = Si les copies d’ici sont lâchées quand une diffusion est retirée par son auteur.
setting-storage-quota = Ce que les segments peuvent prendre sur le disque, ceux de ce nœud et ceux des autres. Quand c’est plein, ceux des autres font de la place.
setting-storage-max-files = Combien de fichiers les segments peuvent prendre sur le disque.
setting-storage-reserve = Ce qui reste libre sur le disque, pour que la machine continue de marcher.
setting-ssb-hops = Jusqu’où ce nœud réplique : 1, ceux qu’il suit ; 2, ceux que suivent ceux-là.
setting-ssb-announce-post = Si le début d’une diffusion est aussi annoncé dans un message, que d’autres programmes SSB montrent.
setting-web-public-url = L’adresse par laquelle d’autres atteignent les pages de ce nœud, si ce n’est pas celle que la machine se connaît.
setting-web-gateway = Ce que sert /ipfs/ : known, ce qu’ont les diffusions connues ; open, ce qu’a n’importe quel nœud, pour qui atteint celui-ci.
setting-mesh-mirror = Quelles diffusions des autres sont cherchées sans que personne ne les regarde ici : none et watched, aucune autre ; followed, celles des nœuds que celui-ci suit ; all, celles de tous. Avec none, ce que plus personne ne regarde est abandonné.
setting-mesh-tell-links = Si l’on dit aux autres nœuds avec quels voisins celui-ci a des liens et ce qu’ils valent, pour la carte du réseau.
setting-mesh-max-upload = Le plus que ce nœud envoie aux autres nœuds. Sans réglage : pas de limite.
setting-mesh-max-upload-per-peer = Le plus qu’il envoie à un seul. Sans réglage : pas de limite.

# Log

owner-logs-hint = La ligne la plus récente d’abord. Il est gardé tant que le nœud tourne, et peut contenir des textes d’autres nœuds.
owner-logs-level = Montrer
owner-logs-show = Montrer
owner-logs-none = Il n’y a pas de telles lignes.
owner-logs-newest = Les plus récentes
owner-logs-older = Plus anciennes
owner-level-error = Erreurs
owner-level-warn = Avertissements et erreurs
owner-level-info = Ce qui se passe
owner-level-debug = Aussi les décisions
owner-level-trace = Tout

## Phones

portal-heading = Vidéo sur { $node }
portal-what = Ce réseau n’a pas Internet. Il a la vidéo en direct et les archives des gens d’ici, et tout navigateur les lit.
portal-stay = Rester sur ce réseau
portal-then = Ensuite, ouvrez cette adresse dans votre navigateur :
portal-through = Vous êtes sur le réseau. Fermez cette fenêtre, puis ouvrez cette adresse dans votre navigateur :
portal-small-browser = Cette fenêtre ne lit peut-être pas la vidéo. Un navigateur comme Chrome, Firefox ou Safari la lit.
portal-code = Code QR de cette adresse
portal-show = Montrez le code aux autres sur ce réseau : leur téléphone ouvre la page.

# Le premier démarrage d’une machine faite d’une image
first-boot-heading = Configurer ce nœud
first-boot-what = Cette machine n’a pas encore de propriétaire : ce sera la personne qui remplit cette page. Cela prend une minute.
first-boot-problem = La machine n’a pas pu être configurée telle que remplie. Changez ce dont parle ce texte, puis réessayez :
first-boot-name = Nom du nœud
first-boot-name-hint = On le voit sur les pages et sur les autres nœuds : le lieu, par exemple.
first-boot-name-wrong = Écrivez un nom de 1 à 64 caractères.
first-boot-password = Votre mot de passe
first-boot-password-hint = 16 lettres, chiffres et signes ou plus, sans espaces ni accents, par exemple quatre mots avec des traits d’union. Il vous fait entrer dans les pages du propriétaire, et dans la machine en tant qu’utilisateur mesh. Notez-le : personne ne peut vous le redire.
first-boot-password-wrong = Écrivez 16 lettres, chiffres et signes ou plus, sans espaces ni accents.
first-boot-again = Le mot de passe encore une fois
first-boot-differs = Les deux mots de passe ne sont pas les mêmes. Retapez les deux.
first-boot-radio = WiFi
first-boot-country = Pays
first-boot-country-hint = Deux lettres, comme CA ou FR : chaque pays permet d’autres canaux.
first-boot-country-wrong = Écrivez les deux lettres de votre pays, comme CA.
first-boot-wifi = Début du nom du réseau
first-boot-wifi-hint = Le nom de votre réseau communautaire. Quelques lettres propres à cette machine suivent, comme dans mesh-1a2b.
first-boot-wifi-wrong = Écrivez au plus 20 minuscules, chiffres et traits d’union.
first-boot-passphrase = Mot de passe du WiFi
first-boot-passphrase-hint = De 8 à 63 caractères. Sans mot de passe, tout le monde peut s’y joindre et entendre ce que d’autres y font.
first-boot-passphrase-wrong = Écrivez de 8 à 63 caractères sans accents, ou rien.
first-boot-community = Communauté
first-boot-open = La communauté ouverte : tous les nœuds sans communauté à eux
first-boot-new = Une nouvelle communauté privée : son invitation sera ensuite sur les pages du propriétaire
first-boot-join = Une communauté pour laquelle j’ai une invitation
first-boot-invite = Invitation
first-boot-invite-hint = Seulement pour rejoindre. C’est un secret : qui l’a en fait partie.
first-boot-invite-wrong = Ce n’est pas une invitation. Copiez-la en entier, ou choisissez une autre communauté.
first-boot-button = Configurer
first-boot-working = La machine se configure
first-boot-working-what = Son WiFi s’éteint maintenant et revient en moins d’une minute. Ensuite :
first-boot-working-join = Rejoignez le WiFi dont le nom commence par { $wifi }-.
first-boot-working-join-again = Rejoignez de nouveau le WiFi de cette machine : son nom a peut-être changé.
first-boot-working-passphrase = Il demande le mot de passe que vous avez choisi pour lui.
first-boot-working-open = Ouvrez la page du nœud :
first-boot-working-enter = Entrez en tant que propriétaire, avec votre mot de passe :
first-boot-working-problem = Si cela n’a pas pu se faire, cette page dit pourquoi :
