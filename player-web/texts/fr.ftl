# Textes en français ; en.ftl est l’original, CONTRIBUTING.md explique comment ajouter un texte.

## Pages

skip-to-content = Aller au contenu
nav-label = Pages
nav-broadcasts = Diffusions
language-label = Langue
on-node = sur { $node }
served-by = Servi par ce nœud, à travers le réseau maillé. Sans Internet.
licences = Licences

page-title = { $page } – Meshstream
home-title = Meshstream sur { $node }
broadcasts-heading = Diffusions
live-heading = En direct maintenant
live-nobody = Personne n’est en direct pour le moment. Une diffusion apparaît ici dès que ce nœud en a connaissance. Pour diffuser, demandez une clé de flux au propriétaire d’un nœud.
reload-to-look = Rechargez la page pour voir.
ended-heading = Terminées
all-broadcasts = Toutes les diffusions
untitled = Diffusion sans titre
state-live = En direct
state-ended = Terminée
began = commencée { $when }
by = par { $publisher }
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
not-found-broadcast = Ce nœud ne connaît pas cette diffusion.
not-found-hint = L’adresse contient peut-être une erreur, ou la nouvelle n’est pas encore arrivée jusqu’à ce nœud : réessayez dans une minute, ou consultez toutes les diffusions.
page-failed = Cette page ne peut pas être affichée pour le moment. Réessayez dans une minute.

## Player

## Timeline

## Owner

## Phones
