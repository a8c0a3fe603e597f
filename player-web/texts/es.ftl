# Textos en español; en.ftl es el original, CONTRIBUTING.md explica cómo añadir un texto.

## Pages

skip-to-content = Saltar al contenido
nav-label = Páginas
nav-broadcasts = Emisiones
language-label = Idioma
on-node = en { $node }
served-by = Lo sirve este nodo, por la malla. No hace falta Internet.
licences = Licencias

page-title = { $page } – Meshstream
home-title = Meshstream en { $node }
broadcasts-heading = Emisiones
live-heading = En directo ahora
live-nobody = Ahora mismo nadie está en directo. Una emisión aparece aquí en cuanto este nodo sabe de ella. Para emitir, pide una clave de emisión a quien administra un nodo.
reload-to-look = Vuelve a cargar la página para mirar.
ended-heading = Terminadas
all-broadcasts = Todas las emisiones
untitled = Emisión sin título
state-live = En directo
state-ended = Terminada
began = empezó { $when }
by = de { $publisher }
unknown-time = a una hora desconocida
list-not-current = Esta lista no está al día: el nodo no responde. Quédate en su WiFi, sigue sola.

node-alone = Ningún otro nodo al alcance: se muestra lo que guarda este nodo.
node-connected =
    { $peers ->
        [one] Conectado con { $peers } nodo más.
       *[other] Conectado con { $peers } nodos más.
    }
node-disk-full = Su disco está lleno: no guarda nada nuevo.

published-by = Publicada por
withdrawn = Quien la publicó retiró esta emisión.
withdrawn-because = Quien la publicó retiró esta emisión: { $reason }
live-delay = El directo va aquí al menos { $seconds } s por detrás de la cámara: el vídeo viaja por la malla en segmentos, y el reproductor guarda dos a mano.
download-mp4 = Descargar lo que hay como MP4

not-found-heading = No encontrado
not-found-page = En este nodo no existe esa página.
not-found-broadcast = Este nodo no conoce esa emisión.
not-found-hint = Puede que la dirección tenga un error, o que la noticia aún no haya llegado a este nodo: inténtalo en un minuto, o mira todas las emisiones.
page-failed = Esta página no se puede mostrar ahora. Inténtalo de nuevo en un minuto.

## Player

## Timeline

## Owner

## Phones
