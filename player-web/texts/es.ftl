# Textos en español; en.ftl es el original, CONTRIBUTING.md explica cómo añadir un texto.

## Pages

skip-to-content = Saltar al contenido
nav-label = Páginas
nav-broadcasts = Emisiones
language-label = Idioma
on-node = en { $node }
served-by = Lo sirve este nodo, por la malla. No hace falta Internet.
documentation = Documentación
licences = Licencias

page-title = { $page } – Meshstream
home-title = Meshstream en { $node }
broadcasts-heading = Emisiones
live-heading = En directo ahora
live-nobody = Ahora mismo nadie está en directo. Una emisión aparece aquí en cuanto este nodo sabe de ella. Para emitir, pide una clave de emisión a quien administra un nodo.
reload-to-look = Vuelve a cargar la página para mirar.
all-broadcasts = Todas las emisiones
untitled = Emisión sin título
state-live = En directo
state-ended = Terminada
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
not-found-document = La documentación no tiene esa página. Puede que haya cambiado de nombre: búscala en el índice.
not-found-broadcast = Este nodo no conoce esa emisión.
not-found-hidden = El dueño de este nodo no muestra esa emisión aquí.
not-shown-heading = No se muestra aquí
not-shown-hint = Puede que otros nodos la muestren.
not-found-hint = Puede que la dirección tenga un error, o que la noticia aún no haya llegado a este nodo: inténtalo en un minuto, o mira todas las emisiones.
page-failed = Esta página no se puede mostrar ahora. Inténtalo de nuevo en un minuto.
nav-archive = Archivo
nav-timeline = Novedades
nav-node = Nodo
upcoming-heading = Próximamente
state-upcoming = Próxima
recent-heading = Recientes
recent-none = Aún no ha terminado nada. Lo que estuvo en directo queda aquí después, mientras algún nodo lo guarde.
all-archive = Todo el archivo, por días
how-to-publish = Cómo emitir
sound-only = Solo sonido
search-label = Buscar emisiones y personas
search-button = Buscar
search-heading = Búsqueda
search-none = Nada de lo conocido aquí coincide. Prueba con menos palabras u otras: se buscan títulos, descripciones y nombres de quienes emiten.
docs-search-label = Buscar en la documentación
docs-search-none = Nada en la documentación tiene todas estas palabras. Está en inglés; prueba con menos palabras u otras.
docs-contents = Toda la documentación
details-heading = Detalles
share-heading = Compartir o insertar
share-link = Enlace a esta página
share-embed = Código para mostrar el reproductor en tu propia página
share-hint = Ambos funcionan donde se alcance este nodo: en su WiFi y por toda la malla.
copy = Copiar
copied = Copiado
back-to-watch = Verla
comments-heading = Comentarios
fact-state = Estado
fact-began = Empezó
fact-tracks = Lleva
tracks-both = Imagen y sonido
tracks-picture = Solo imagen
fact-segments = Guardado aquí
segments-held =
    { $held ->
        [one] { $held } segmento de { $seconds } s como mucho
       *[other] { $held } segmentos de { $seconds } s como mucho
    }
fact-kept = Después
kept-yes = Otros pueden guardarla
kept-no = No se guarda cuando termina
fact-id = Identidad
fact-manifest = Manifiesto en directo
this-node = Este nodo
holders-heading = También la guardan
holders-none = Ningún otro nodo ha dicho todavía que guarda esta emisión.
holder-mirrors = La replica
holder-republished = La volvió a publicar.
archives-heading = Archivos
archives-none = Aún no hay ninguna hora completa.
archives-hint = Una lista se reproduce en VLC y otros programas; el enlace IPFS es el mismo contenido bajo su hash, desde cualquier nodo que lo tenga.
archive-part = Parte
archive-length = Duración
archive-size = Tamaño
archive-play = Reproducir
archive-playlist = Lista
archive-hour = Hora
archive-day = Día
archive-whole = Todo
archive-so-far = hasta ahora
older-days = Días anteriores
broadcasts-count =
    { $count ->
        [one] { $count } emisión
       *[other] { $count } emisiones
    }
search-found =
    { $count ->
        [one] { $count } emisión coincide.
       *[other] { $count } emisiones coinciden.
    }
search-more = Las { $count } más recientes que coinciden; añade una palabra para encontrar otras.
day-none = Nada de lo conocido aquí se emitió ese día.
day-more = Más de este día
days-label = Días
earlier-day = Antes: { $date }
later-day = Después: { $date }
failed-heading = Ahora no
not-found-post = Esta publicación no se conoce aquí, o su autor está bloqueado en este nodo.
not-found-feed = Aquí no se sabe nada de esta persona.
mesh-heading = La malla vista desde aquí
graph-title = Este nodo, sus vecinos y los nodos más lejanos. La tabla de abajo dice lo mismo.
graph-left-out =
    { $count ->
        [one] Se conoce { $count } nodo más que no está dibujado.
       *[other] Se conocen { $count } nodos más que no están dibujados.
    }
link-good = Bueno
link-fair = Regular
link-poor = Malo
link-unknown = Conectado
link-connecting = Intentando
link-down = Sin alcance
storage-heading = Almacenamiento
storage-used = { $used } de { $quota } en uso ({ $percent } %).
storage-free = Quedan { $free } libres en el disco.
storage-disk-full = El disco está lleno: no se guarda nada nuevo hasta que haya sitio.
storage-failing = La última escritura falló: quien administra este nodo debería mirar su disco.
storage-next = Lo próximo que dejará sitio
publish-heading = Emitir desde aquí
publish-hint = Con OBS, Larix, ffmpeg u otro programa que envíe RTMP, en la red de este nodo:
publish-nowhere = Este nodo no recibe emisiones desde la red por la que llegas a él. Pregunta a quien lo administra, o emite desde otro nodo.
publish-server = Servidor
publish-key = Clave de emisión
publish-key-hint = Pídela a quien administra este nodo: hay una por cada nombre de emisión.
neighbours-heading = Vecinos
neighbours-none = Todavía ningún vecino. Los nodos de la misma red o malla se encuentran solos.
column-node = Nodo
column-link = Enlace
column-rtt = Ida y vuelta
column-loss = Pérdida
column-in = Recibido
column-out = Enviado
column-over = Hallado por
column-feed = Feed
column-heard = Última noticia
over-configured = ajustes
over-inbound = su propia llamada
over-lan = red local
minutes-ago = hace { $minutes } min
known-label = Nodos más allá de los vecinos
known-heading =
    { $count ->
        [one] { $count } nodo más allá
       *[other] { $count } nodos más allá
    }
held-heading = Guardado aquí
held-none = Aquí todavía no se guarda nada. Lo que se ve en este nodo se conserva mientras haya sitio.
identity-heading = Identidad
identity-version = Versión
sources-heading = Quién te la trae
sources-own = Se emite en este nodo: nadie tiene que traerla.
sources-none = Últimamente no se ha traído nada de ella. Mírala, y este nodo dirá qué otros la traen.
source-publisher = Emisor
source-hops =
    { $hops ->
        [one] { $hops } salto
       *[other] { $hops } saltos
    }
sources-hint = Partes de lo que llegó en los últimos { $minutes } min.
viewers-count = Viéndola: { $here } aquí, { $all } en todos los nodos.

node-code = Mostrar la dirección de este nodo como código
node-code-hint = Con él abren sus páginas los teléfonos que están en su WiFi o lo alcanzan por la malla.

## The mesh

mesh-page-heading = La malla
mesh-page-link = Toda la malla, según la cuentan los nodos
mesh-counts = Conocidos aquí: nodos { $nodes }, enlaces { $links }, con lugar { $located }.
mesh-map-heading = Mapa
mesh-map-none = Ningún nodo dice dónde está.
mesh-map-title = Nodos que dicen dónde están. Las tablas de abajo dicen lo mismo.
mesh-topology-heading = Quién tiene enlace con quién
mesh-topology-title = Este nodo en el centro, los demás alrededor según el número de enlaces hasta ellos. Las tablas de abajo dicen lo mismo.
mesh-unmeasured = Sin medir
mesh-one-end = Solo lo dice un extremo
mesh-choose = Mostrar un nodo
mesh-choose-none = Ninguno elegido
mesh-nodes-heading = Nodos
mesh-links-heading = Enlaces
mesh-links-none = Aquí todavía no se sabe de ningún enlace entre dos nodos.
column-hops = Saltos
column-place = Lugar
column-between = Entre
column-told = Lo dicen
mesh-told-both = los dos extremos
mesh-told-one = un extremo
mesh-this-node = Este nodo
mesh-north = N
mesh-pages = Abrir sus páginas
mesh-not-asked = Otros hablan de él. Desde aquí no se ha llegado a él, así que no se conoce ni su lugar ni lo que él dice de sus enlaces.
mesh-appear-heading = Lo que cuentan los nodos
mesh-appear = Quien administra un nodo elige si dice dónde está, cosa que no hace si no se le manda, y si cuenta sus enlaces. En la máquina del nodo, o en los ajustes de sus páginas de administración:
mesh-appear-hint = Da un lugar no más exacto de lo que todos pueden saber: cualquiera que llegue al nodo puede preguntarlo.

## Player

player-video = Vídeo
player-needs-script = El reproductor necesita JavaScript. Sin él, abra la dirección del vídeo en VLC u otro reproductor.
player-address = Dirección del vídeo
player-connecting = Conectando…
player-starting = Cargando el vídeo…
player-ready = Listo. Toque el botón para reproducir.
player-paused = En pausa. Pulse reproducir para seguir.
player-ended = La emisión ha terminado. Pulse reproducir para verla otra vez.
player-playing = Reproduciendo
player-playing-ended = Reproduciendo. La emisión ha terminado.
player-playing-seconds = Reproduciendo, unos { $seconds } s por detrás del directo
player-playing-minutes = Reproduciendo, unos { $minutes } min por detrás del directo
player-sound = Reproduciendo solo sonido
player-sound-link = Reproduciendo solo sonido: por ahora el enlace no trae imagen.
player-sound-ended = Reproduciendo solo sonido. La emisión ha terminado.
player-sound-seconds = Reproduciendo solo sonido, unos { $seconds } s por detrás del directo
player-sound-minutes = Reproduciendo solo sonido, unos { $minutes } min por detrás del directo
player-unreachable = El nodo no responde. Siga en su WiFi: el reproductor continúa solo.
player-unplayable = Este navegador no puede reproducir el vídeo. Pruebe con Firefox o Chrome, o abra la dirección en VLC.
player-unknown = Este nodo no conoce esa emisión. Mire en la página de inicio del nodo lo que hay.
player-not-here-yet = El nodo aún está trayendo esta parte. El reproductor continúa solo.
player-waiting-to-start = Esperando a quien emite. El reproductor empieza solo.
player-waiting-to-go-on = Esperando a quien emite. El reproductor continúa solo.
player-gap = Esta parte se perdió por el camino. El reproductor la salta.
player-held = Un momento: con un poco más de reserva se verá sin cortes.
player-catching-up = Poniéndose al día: el vídeo viene por la malla.
player-too-slow = Hasta aquí llegan { $carries } kbit/s y el vídeo necesita { $needs }. Haga una pausa para que cargue, acérquese al nodo o véalo más tarde desde el principio.
player-too-slow-choose = Hasta aquí llegan { $carries } kbit/s y el vídeo necesita { $needs }. Elija una imagen más pequeña o solo sonido, o véalo más tarde desde el principio.
player-fetching = Trayendo { $span } de otros nodos: ya está el { $percent } %.
player-nobody-has = Nadie al alcance ha enviado aún { $span }. El reproductor sigue pidiéndolo y lo salta en { $seconds } s.
player-tap-to-play = Toque para reproducir
player-tap-for-sound = Toque para oír
player-skip = Saltar esta parte
player-rewind = Desde el principio
player-go-live = Ir al directo
player-copy-link = Copiar un enlace a este momento
player-link = Enlace a este momento
player-link-copied = Enlace copiado
player-link-beside = Copie el enlace de al lado
player-link-not-now = Ahora no: inténtelo otra vez
player-time-line = Línea de tiempo
player-at = { $time } de { $end }
player-at-elsewhere = { $time }, hay que traerlo de otros nodos
player-at-gap = { $time }, se perdió por el camino
player-days = Día
player-chapters = Hora
player-renditions = Imagen
player-rendition-auto = Imagen: automática
player-rendition-picture = { $height }p, { $kbps } kbit/s
player-rendition-sound = Solo sonido, { $kbps } kbit/s
player-rendition-hidden = Solo sonido, imagen oculta
player-captions = Subtítulos
player-captions-off = Subtítulos: no
player-captions-number = Subtítulos { $number }
player-picture-in-picture = Ventana pequeña
player-keys = Teclas
player-key-toggle = Reproducir o pausar
player-key-short = { $seconds } segundos atrás o adelante
player-key-long = { $seconds } segundos atrás o adelante
player-key-beginning = Desde el principio
player-key-live = Al directo
player-key-volume = Más alto o más bajo
player-key-mute = Con o sin sonido
player-key-captions = Con o sin subtítulos
player-key-fullscreen = Pantalla completa
player-key-picture = Ventana pequeña
player-key-help = Mostrar u ocultar estas teclas

## Timeline

timeline-hint = Aquí escriben los nodos y las personas con una aplicación de Scuttlebutt que se siguen por la malla.
comments-hint = Los comentarios llegan por la malla: de nodos y de aplicaciones de Scuttlebutt que responden a la publicación de esta emisión.
write-as-owner = Escribir como este nodo (solo quien lo administra)
comments-none = Todavía no hay comentarios.
comments-on = Comentarios sobre { $title }
timeline-none = Nadie ha escrito aún nada que haya llegado a este nodo.
newest-posts = Las publicaciones más recientes
posts-missed = Hay más de lo que se muestra: cárgalo.
older = Anteriores
in-answer-to = En respuesta a { $name }
replies =
    { $count ->
        [one] { $count } respuesta
       *[other] { $count } respuestas
    }
votes =
    { $count ->
        [one] { $count } me gusta
       *[other] { $count } me gusta
    }
thread-heading = Conversación
thread-first-missing = La primera publicación de esta conversación no ha llegado a este nodo, o su autor está bloqueado aquí.
answers-heading = Respuestas
answers-none = Todavía no hay respuestas.
posts-heading = Publicaciones
feed-no-posts = Aún no ha llegado a este nodo nada escrito aquí.

## Owner

owner-nav = Propietario
owner-overview = Resumen
owner-broadcasts = Emisiones
owner-cameras = Cámaras
owner-keys = Claves de emisión
owner-posts = Publicaciones
owner-hidden = Oculto
owner-feeds = Seguir y bloquear
owner-storage = Almacenamiento
owner-community = Comunidad
owner-settings = Ajustes
owner-logs = Registro
owner-save = Guardar
owner-cancel = Cancelar
owner-back = Volver
owner-manage = Gestionar
owner-watch = Ver
owner-title = Título
owner-description = Descripción
owner-began = empezó { $time }
owner-starts = empieza { $time }
owner-of = { $some } de { $all }
owner-failed = El nodo no pudo hacerlo: { $reason }. No se cambió nada. El registro dice más; inténtalo otra vez y mira el almacenamiento si sigue así.
owner-left-out = Aquí no se muestran otros { $count }.
owner-to-broadcasts = Todas las emisiones

# Entering

owner-enter = Entrar como propietario
owner-enter-button = Entrar
owner-enter-by-link = Este enlace deja entrar a este navegador como propietario de { $node }. Funciona una vez.
owner-enter-how = En la máquina del nodo, esta orden muestra un enlace que deja entrar una vez:
owner-enter-token = O la clave de administración
owner-enter-token-hint = Está en el archivo admin-token del directorio de datos del nodo.
owner-link-over = Este enlace ya se usó o tiene más de diez minutos: haz otro con «meshstream admin link».
owner-refused = No se cambió nada
owner-back-to-overview = Volver al resumen
owner-denied-no-token = Este nodo no tiene clave de administración: haz un enlace con «meshstream admin link».
owner-denied-origin = El formulario no vino de una página de esta sesión: vuelve atrás, recarga la página y envíalo otra vez.
owner-denied-form = El formulario era demasiado largo o se cortó por el camino: acórtalo o envíalo otra vez.
owner-denied-wrong = Esta no es la clave de administración: compárala con el archivo o haz un enlace con «meshstream admin link».
owner-denied-too-many = Llegaron demasiados intentos fallidos desde esta dirección: espera un minuto y vuelve a intentarlo.
owner-denied-too-fast = Demasiados cambios en poco tiempo: espera unos segundos y envíalo otra vez.
owner-denied-ended = Esta sesión ha terminado: entra otra vez. Lo que enviaste no se guardó.

# Overview

owner-attention = Lo que necesita atención
owner-all-well = Todo está bien.
owner-problems = Lo que dice el nodo, en inglés
owner-warn-disk = El disco está lleno: no se publica ni se trae nada. Libera espacio o baja la reserva en Almacenamiento.
owner-warn-quota = La cuota está ocupada por lo que no debe irse: súbela en Almacenamiento o borra una emisión.
owner-warn-files = Hay tantos archivos como puede haber: sube storage.max_files en la configuración o borra una emisión.
owner-warn-failing = No se puede escribir en el disco: mira si es de solo lectura o está gastado. El registro dice qué responde.
owner-warn-clock = El reloj de esta máquina no está puesto en hora: las emisiones no llevan horas. Ponlo en hora o conecta un reloj.
owner-warn-link = No hay otro nodo conectado: lo que se publica aquí solo se ve aquí. Mira la antena y quién está al alcance.
owner-release-ready = La versión { $version } está aquí, firmada por { $signers }. Para instalarla: sudo meshstream upgrade install
owner-warn-sound-silent = { $name }: no hay sonido desde hace { $seconds } s. Mira el micrófono, su cable y quién lo silenció.
owner-warn-sound-one-sided = { $name }: uno de los dos canales está en silencio. Conecta los dos o haz que el codificador los mezcle en uno.
owner-warn-sound-clipped = { $name }: el sonido está demasiado alto y distorsionado. Bájalo donde se graba.
owner-warn-sound-quiet = { $name }: el sonido apenas se oye. Súbelo, hasta entre -23 y -16 LUFS.
owner-on-air = En el aire
owner-nobody-publishes = Nadie publica aquí ahora.
owner-stream = señal { $name }
owner-kbps = { $kbps } kbit/s
owner-loudness = sonido a { $loudness } LUFS
owner-node = Este nodo
owner-fact-peers = Otros nodos conectados
owner-fact-storage = Almacenado
owner-storage-used = { $used } de { $quota }
owner-fact-free = Libre en el disco
owner-fact-reserve = Se deja libre
owner-fact-files = Archivos
owner-fact-version = Versión
owner-fact-feed = Identidad
owner-session = Esta sesión
owner-session-hint = Termina tras dos horas sin uso, en todo caso tras doce, y cuando el nodo se reinicia.
owner-leave = Salir

# Cameras

owner-cameras-hint = El nodo toma estas cámaras él mismo, las codifica y las publica. Arrancan con el nodo.
owner-cameras-none = Todavía no hay ninguna cámara.
owner-cameras-without = Este nodo se compiló sin GStreamer, así que no tiene cámaras propias. Crea una clave y publica con OBS, ffmpeg o un teléfono:
owner-camera-add = Añadir una cámara
owner-camera-of = Cámara { $name }
owner-camera-change = Cambiar
owner-camera-remove = Quitar
owner-camera-start = Arrancar
owner-camera-again = Arrancar de nuevo
owner-camera-stop = Parar
owner-camera-refresh = Mirar otra vez
owner-camera-configured = Está en el archivo de configuración.
owner-camera-preview = Lo que muestra { $name }
owner-camera-off = apagada
owner-camera-starting = está arrancando
owner-camera-publishing = publica
owner-camera-publishing-with = publica, codificada por { $encoder }
owner-camera-waiting = se intenta otra vez tras { $seconds } s
owner-camera-failed = no funciona
owner-camera-ended = llegó a su fin
owner-camera-drops = Se omiten imágenes: esta máquina, o el camino al nodo, no da abasto. Elige un tamaño menor, menos imágenes por segundo o una tasa de bits más baja.
owner-camera-started = La cámara { $name } arranca.
owner-camera-stopped = La cámara { $name } está apagada, y así se queda.
owner-camera-set = La cámara { $name } quedó configurada y arranca.
owner-camera-removed = La cámara { $name } se quitó. Su clave sigue valiendo hasta que la revoques.
owner-camera-gone = Esa cámara ya no existe.
owner-camera-exists = Ya hay una cámara con este nombre: cambia esa, o usa otro nombre.
owner-camera-configured-only = La cámara { $name } está en el archivo de configuración: cámbiala allí y reinicia el nodo.
owner-camera-too-many = Hay { $most } cámaras, que es el máximo: quita una primero.
owner-camera-remove-sure = ¿Quitar la cámara { $name }?
owner-camera-remove-lost = Se para, y se olvida su configuración. Lo que publicó se queda.
owner-camera-devices = Encontrado en la máquina del nodo
owner-camera-devices-none = No se encuentra nada. Conecta una cámara y vuelve a cargar esta página. La cámara propia de una Raspberry Pi necesita el paquete gstreamer1.0-libcamera.
owner-camera-devices-failed = El nodo no pudo mirar qué hay conectado: instala el paquete gstreamer1.0-plugins-good. El registro dice más.
owner-camera-name-hint = Como sala o escenario-2. La clave con este nombre se crea sola.
owner-camera-source = Imagen
owner-camera-source-hint = first (la primera cámara encontrada), /dev/video0, libcamera, una dirección como rtsp://10.0.0.9/stream, la ruta de una imagen como /srv/cartel.png, pattern (una imagen de prueba) o none (solo sonido).
owner-camera-audio = Sonido
owner-camera-audio-hint = Vacío toma el que va con la imagen. Si no: none, tone, alsa, pulse o pipewire, con un dispositivo tras dos puntos: alsa:hw:1.
owner-camera-size = Ancho y alto
owner-camera-rate = Imágenes por segundo
owner-camera-bitrate = Tasa de bits de la imagen, kbit/s
owner-camera-bitrate-hint = Lo que aguanta el enlace más débil del camino.
owner-camera-audio-bitrate = Tasa de bits del sonido, kbit/s
owner-camera-rotate = Girar a la derecha
owner-camera-title = Escrito sobre la imagen
owner-camera-clock = Mostrar la hora en la imagen
owner-camera-encoder = Codificador
owner-camera-encoder-hint = Vacío toma el mejor que funcione. Si no: v4l2h264enc, x264enc u openh264enc.
owner-camera-set-button = Guardar y arrancar
owner-camera-wrong-source = Esto no es una fuente: usa una de las que dice debajo del campo.
owner-camera-wrong-audio = Esto no es un sonido: usa uno de los que dice debajo del campo. Sin imagen en movimiento tiene que haber sonido.
owner-camera-wrong-size = Escribe ancho y alto en píxeles pares de 64 a 3840, como 1280x720.
owner-camera-wrong-rate = Escribe un número entero de 1 a 120.
owner-camera-wrong-bitrate = Escribe un número entero de kbit/s, como 1500 para la imagen o 96 para el sonido.
owner-camera-wrong-rotate = Elige 0, 90, 180 o 270 grados.
owner-camera-wrong-title = Escribe una línea de como mucho 120 caracteres.
owner-camera-trouble-package = GStreamer no tiene { $element } aquí. Instálalo en la máquina del nodo: apt-get install { $package }
owner-camera-trouble-encoder = El codificador { $encoder } no funciona aquí: deja el campo vacío, o nombra otro.
owner-camera-trouble-none = No se encuentra ninguna cámara: conecta una, o pon una dirección. La cámara propia de una Raspberry Pi necesita el paquete gstreamer1.0-libcamera.
owner-camera-trouble-gone = { $device } no está: conéctalo, o elige otro dispositivo.
owner-camera-trouble-permission = El nodo no puede abrir { $device }: añade su usuario a los grupos video y audio, y reinícialo.
owner-camera-trouble-busy = { $device } está en uso: cierra el programa que lo tiene.
owner-camera-trouble-format = { $device } no da nada que sirva ({ $reason }): prueba otro tamaño u otro número de imágenes.
owner-camera-trouble-source = { $address } no se puede leer ({ $reason }): mira si se reproduce en otro sitio.
owner-camera-trouble-over = { $address } terminó: mira si la cámara o el programa que la envía está encendido.
owner-camera-trouble-refused = El nodo no acepta la señal: { $reason }. Si terminaste su emisión, vuelve a admitir su señal en Emisiones.
owner-camera-trouble-stalled = No llegó nada durante { $seconds } s: mira la cámara, su cable y su enlace.
owner-camera-trouble-crashed = El codificador terminó por sí solo ({ $status }). El registro dice más; prueba otro codificador si sigue así.
owner-camera-trouble-key = Hay una clave para { $name } que esta cámara no recibió: revócala en Claves y arranca la cámara de nuevo, o da otro nombre a la cámara.
owner-camera-trouble-other = No funciona: { $reason }. El registro dice más.

# Stream keys

owner-keys-hint = Quien tiene la clave de un nombre de señal puede publicar con él. Da a cada cámara o equipo la suya.
owner-keys-none = Todavía no hay ninguna clave.
owner-key-add = Añadir una clave
owner-key-add-button = Crear la clave
owner-key-name = Nombre de la señal
owner-key-name-hint = Como sala o escenario-2: letras, cifras, puntos, guiones y guiones bajos.
owner-key-name-wrong = No es un nombre de señal: usa de 1 a 64 letras, cifras, puntos, guiones y guiones bajos, sin espacios.
owner-key-exists = Ya hay una clave con este nombre: revócala primero o elige otro nombre.
owner-key-gone = Ya no hay ninguna clave con ese nombre.
owner-key-made = Se creó la clave de { $name }.
owner-key-made-at = creada { $time }
owner-key-shown-once = La clave nueva, que solo se muestra ahora
owner-key-shown-once-hint = Cópiala ahora. El nodo no guarda claves que pueda volver a mostrar: si se pierde, se revoca y se crea otra.
owner-key-then = Título y descripción de lo que se emita con ella:
owner-key-server = Servidor (OBS, teléfonos)
owner-key-obs = Clave de retransmisión (OBS, teléfonos)
owner-key-ffmpeg = En una sola dirección (ffmpeg: -f flv DIRECCIÓN)
owner-key-archive = Cuando termina
owner-key-archive-default = Como lo hace el nodo
owner-key-archive-yes = Conservarla
owner-key-archive-no = No conservar nada
owner-key-archive-set = Vale desde la próxima emisión de { $name }.
owner-key-revoke = Revocar
owner-key-revoke-sure = ¿Revocar la clave de { $name }?
owner-key-revoke-lost = Nadie podrá publicar más con ella. Lo publicado se queda. Se puede crear otra clave para el nombre en cualquier momento.
owner-key-revoke-live = Alguien publica con ella ahora y será desconectado.
owner-key-revoked = La clave de { $name } ya no deja entrar a nadie.

# Streams and plans

owner-streams = Señales
owner-streams-hint = Una emisión empieza cuando alguien se conecta con la clave de una señal. Aquí se dice antes con qué se anuncia.
owner-stream-edit = La próxima emisión
owner-stream-next = La próxima emisión de { $name }
owner-stream-hint = Se anuncia con esto. Lo que está en el aire conserva lo que tiene.
owner-stream-title-hint = Vacío, vale el título del plan, lo que dice el programa de quien publica o el nombre de la señal.
owner-stream-fulfils = Es lo que se planeó como
owner-stream-fulfils-none = Nada planeado
owner-stream-set = La próxima emisión de { $name } se anuncia con esto.
owner-stream-start = Cómo empieza
owner-stream-start-how = Inicia el programa de quien publica (OBS, el de un teléfono, ffmpeg) con esto. La emisión empieza con la primera imagen y termina cuando quien publica lleva fuera más de lo que dice ingest.grace en los ajustes, un minuto si nadie lo ha fijado.
owner-stream-key-lost = La clave se mostró al crearla. Si se perdió, revócala y crea otra:
owner-stream-refused = Terminaste su emisión: quien publica es rechazado hasta que su programa deje de intentarlo unos minutos.
owner-stream-admit = Dejarlo entrar ya
owner-stream-admitted = Quien publica { $name } puede entrar otra vez.
owner-planned = Planeado
owner-planned-none = No hay nada planeado.
owner-planned-add = Planear una emisión
owner-planned-edit = Cambiar el plan
owner-planned-hint = Se anuncia a todos los nodos y se muestra como próxima hasta que empieza.
owner-planned-when = Cuándo empieza
owner-planned-date = Fecha
owner-planned-time = Hora
owner-planned-zone = Zona horaria
owner-planned-time-wrong = No es una fecha con hora: escríbelas como 2026-12-31 y 20:15, y elige la zona horaria.
owner-planned-time-past = Eso ya pasó: elige una hora posterior o pon en hora el reloj del nodo.
owner-planned-added = La emisión está planeada y se ha dicho a los demás nodos.
owner-planned-changed = Se cambió el plan.
owner-planned-cancel = Anularla
owner-planned-cancel-sure = ¿Anular esta emisión?
owner-planned-cancel-lost = Ya no se muestra como próxima en ningún nodo. Se puede planear otra vez.
owner-planned-cancelled = La emisión está anulada.
owner-planned-gone = Eso ya no está planeado.
owner-planned-too-many = Hay 64 emisiones planeadas, que es lo máximo: anula una que no haga falta.

# Broadcasts

owner-own-ended = De este nodo, terminadas
owner-own-ended-none = Todavía no ha terminado ninguna.
owner-others = De otros nodos, guardadas aquí
owner-others-none = Aquí no hay nada guardado de otros nodos.
owner-segments-held =
    { $count ->
        [one] { $count } segmento aquí
       *[other] { $count } segmentos aquí
    }
owner-published-by = Publicada por
owner-texts = Título y descripción
owner-title-empty = El título está vacío: escribe uno.
owner-title-long = El título es demasiado largo: acórtalo a 200 caracteres.
owner-description-long = La descripción es demasiado larga: acórtala a 2000 caracteres.
owner-broadcast-updated = El título y la descripción se cambiaron y se dijeron a los demás nodos.
owner-broadcast-unknown = Esa emisión no se conoce aquí.
owner-broadcast-over = Esa emisión ya terminó.
owner-not-own = Esa emisión es de otro nodo: solo quien la publica puede hacerlo.
owner-still-live = Sigue en directo: termínala primero.
owner-nothing-held = No hay nada de ella aquí: créale primero una copia.
owner-end = Terminar la emisión
owner-end-heading = Terminarla
owner-end-hint = Se desconecta a quien publica. También basta con parar su programa.
owner-end-sure = ¿Terminar esta emisión?
owner-end-lost = Todo el público ve que terminó y no se puede continuar: lo que venga es una emisión nueva. Quien publica es rechazado hasta que su programa deje de intentarlo unos minutos.
owner-broadcast-ended = La emisión se terminó.
owner-keep = Conservar o borrar
owner-keep-how-long = Cuánto tiempo se queda en este nodo
owner-keep-default = como lo hace el nodo
owner-keep-default-own = Como lo hace el nodo: las propias se quedan
owner-keep-default-other = Como lo hace el nodo: deja sitio cuando hace falta
owner-keep-keep = Conservarla: nunca deja sitio
owner-keep-drop = Borrarla unos días después de terminar
owner-keep-drop-after =
    { $days ->
        [one] se borra { $days } día después de su fin
       *[other] se borra { $days } días después de su fin
    }
owner-keep-dropped = se borró
owner-keep-days = Días, contados mientras el nodo funciona
owner-keep-days-wrong = Escribe un número de días de 1 a { $most }. Para borrarla ya, usa el botón de abajo.
owner-keep-set = Se fijó cuánto tiempo se queda.
owner-keep-unfinished = Sigue o se está archivando: di tras cuántos días se borra o espera a que termine.
owner-keep-too-many = { $most } emisiones tienen una regla propia, que es lo máximo: devuelve algunas a lo normal.
owner-delete = Borrarla de este nodo
owner-delete-sure = ¿Borrar esta emisión de este nodo?
owner-delete-lost =
    { $count ->
        [one] Hay { $count } segmento aquí y se pierde.
       *[other] Hay { $count } segmentos aquí y se pierden.
    }
owner-delete-lost-own = Si otro nodo no tiene copia, después no la tendrá nadie.
owner-delete-lost-other = Quien la publica puede tenerla todavía. Su copia aquí termina.
owner-broadcast-deleted = La emisión se borró de este nodo.
owner-mirror = Copia
owner-mirror-hint = Una copia la trae y la conserva entera, y dice a otros nodos que está aquí.
owner-mirror-begin = Guardar una copia aquí
owner-mirror-stop = Dejar de copiar
owner-mirror-begun = Desde ahora se guarda una copia.
owner-mirror-ended = Ya no se guarda copia. Lo que hay se queda hasta que haga falta sitio.
owner-mirror-progress = { $here } de { $all } segmentos aquí
owner-mirror-own = Es de este nodo y se conserva sin copia.
owner-mirror-not-running = No se está copiando.
owner-mirror-too-many = Se copian tantas emisiones como se puede: detén una primero.
owner-mirror-by-setting = por el ajuste mesh.mirror
owner-not-to-be-kept = Quien la publica anunció que no debe conservarse.
owner-was-withdrawn = Quien la publica la retiró. El ajuste archive.honour_withdrawals dice si se conserva de todos modos.
owner-republish = Volver a publicar
owner-republish-hint = Dice a quienes te siguen que vale la pena conservarla y que está aquí. Sigue siendo de quien la publicó. No se puede desdecir.
owner-republished = Se volvió a publicar.
owner-credit = A quién se le debe
owner-withdraw = Retirar
owner-withdraw-hint = La retira: ningún nodo la muestra más, y los que lo respetan dejan sus copias.
owner-withdraw-sure = ¿Retirar esta emisión?
owner-withdraw-lost = No se podrá volver a mostrar: una retirada no se puede desdecir. Puede que alguien conserve una copia.
owner-withdraw-reason = Motivo, visible para todo el mundo (puede estar vacío)
owner-withdraw-copy = La copia en este nodo
owner-withdraw-copy-keep = Conservarla
owner-withdraw-copy-remove =
    { $count ->
        [one] Borrarla: se pierde { $count } segmento
       *[other] Borrarla: se pierden { $count } segmentos
    }
owner-withdrawn = La emisión se retiró.
owner-withdrawn-badge = Retirada
owner-is-withdrawn = Quien la publica la retiró.
owner-reason-long = El texto es demasiado largo: acórtalo a 500 caracteres.

# Comments and what is hidden

owner-comments = Comentarios
owner-comments-none = Todavía nadie ha comentado.
owner-comment = Comentar como este nodo
owner-reply = Responder
owner-block-author = Bloquear a su autor
owner-hide = Ocultar
owner-unhide = Mostrar otra vez
owner-hide-heading = Ocultarla en este nodo
owner-hide-hint = Quienes visitan este nodo dejan de verlo. Otros nodos lo muestran como antes, y se puede volver a mostrar en cualquier momento.
owner-hide-sure = ¿Ocultar esto?
owner-unhide-sure = ¿Mostrar esto otra vez?
owner-is-hidden = Oculto
owner-hidden-hint = Comentarios y emisiones que no ven quienes visitan este nodo. Los otros nodos deciden por su cuenta.
owner-hidden-none = No hay nada oculto. Los comentarios se ocultan en la página de su emisión.
owner-hidden-since = oculto { $time }
owner-hidden-not-here = No se conoce en este nodo:
owner-hidden-now = Está oculto en este nodo.
owner-shown-now = Se muestra otra vez.
owner-hidden-too-many = Hay { $most } mensajes ocultos, que es lo máximo: muestra algunos o bloquea a sus autores.
owner-message-unknown = Eso ya no se conoce aquí.
owner-a-broadcast = Emisión
owner-a-comment = Comentario

# Posts

owner-post-text = Escribir como { $node }
owner-post-hint = En Markdown. Todos los nodos lo conservan y no se puede desdecir.
owner-post-button = Publicar
owner-post-comment-on = Un comentario sobre esta emisión:
owner-post-reply-to = Una respuesta a esta publicación:
owner-post-empty = No hay texto: escribe algo.
owner-post-long = El texto es demasiado largo para un mensaje: acórtalo a unos 7000 caracteres.
owner-posted = Se publicó.
owner-posts-newest = Las publicaciones más nuevas
owner-posts-none = Todavía nadie ha publicado.

# Follow and block

owner-feeds-hint = A quien este nodo sigue se replica, y a quienes ellos siguen. A quien bloquea ni se trae ni se muestra.
owner-feed-id = Identidad
owner-feed-wrong = No es una identidad: cópiala entera, de @ a .ed25519.
owner-feed-own = Es la identidad del propio nodo: pon otra.
owner-feed-nameless = Sin nombre
owner-feed-followed = Se sigue a { $feed }.
owner-feed-blocked = Se bloquea a { $feed }.
owner-feed-neutral = A { $feed } ni se le sigue ni se le bloquea.
owner-feeds-none = Todavía no se replica ninguna otra identidad.
owner-feeds-more = Aquí no se muestran otras { $count }. Todas las lista
owner-follow = Seguir
owner-unfollow = Dejar de seguir
owner-block = Bloquear
owner-unblock = Desbloquear
owner-following = Seguida
owner-blocked = Bloqueada
owner-hops =
    { $hops ->
        [one] a { $hops } paso
       *[other] a { $hops } pasos
    }
owner-hops-none = fuera de a quienes sigue este nodo
owner-messages =
    { $messages ->
        [one] { $messages } mensaje aquí
       *[other] { $messages } mensajes aquí
    }
owner-block-sure = ¿Bloquear esta identidad?
owner-block-lost = Lo que hay aquí de ella se borra: sus mensajes y sus emisiones. Al desbloquearla, hay que traerlo otra vez.
owner-block-broadcasts = Entre ello, estas emisiones:

# Storage

owner-limits = Cuánto se puede guardar
owner-quota = Máximo de bytes de emisiones
owner-reserve = Se deja libre en el disco
owner-reserve-hint = Un tamaño como 1GiB. Permite al nodo anotar el fin de una emisión con el disco lleno.
owner-next = Lo que se irá primero
owner-next-hint = Cuando haga falta sitio, se van en este orden.
owner-next-none = Nada de lo guardado deja sitio.
owner-held-passing = traída porque alguien la vio
owner-held-mirrored = copiada
owner-held-kept = conservada
owner-mirrors = Copias
owner-mirrors-none = No se copia nada.
owner-mirror-waits-room = No queda sitio para más: sube la cuota de arriba o borra algo.
owner-mirror-waits-segments = Ningún nodo al alcance entrega lo que falta. Se vuelve a intentar.
owner-mirror-waits-archives = Ningún nodo al alcance entrega los archivos que dicen qué hay de ella. Se vuelve a intentar.
owner-mirror-waits-list = Nadie ha dicho aún qué hay de ella. Se vuelve a intentar.
owner-mirror-waits-node = Este nodo no pudo seguir con ella: su registro dice por qué. Se vuelve a intentar.
owner-kept = Emisiones con una regla propia
owner-kept-none = Todas las emisiones se quedan como lo hace el nodo.

# Community

owner-community-open = Este nodo está en la comunidad abierta: quien lo alcanza puede participar.
owner-community-private = Este nodo está en una comunidad privada. Los nodos la llaman
owner-invite-show = Mostrar la invitación
owner-invite-secret = La invitación es un secreto: quien la ve está dentro para siempre. No se puede retirar, solo reemplazar con otra comunidad. Enséñala solo a quien pueda verlo todo aquí.
owner-invite-code = La invitación como código QR
owner-invite = Invitación
owner-invite-how = En la máquina del otro nodo, esta orden la lee; después se reinicia ese nodo:
owner-community-other = Otra comunidad
owner-community-other-how = La comunidad se cambia en la máquina del nodo, no aquí: un navegador por radio no es lugar para tal secreto.
owner-community-join = Entrar en una con su invitación:
owner-community-invite-word = INVITACIÓN
owner-community-new = Crear una nueva:
owner-community-leave = Volver a la abierta:
owner-community-restart = Surte efecto cuando se reinicia el nodo.

# Settings

owner-settings-hint = Lo que se fija aquí vale antes que el archivo de configuración y se conserva al reiniciar. Las demás claves se fijan en ese archivo.
owner-settings-waiting = Estos cambios están guardados y esperan a que el nodo se reinicie: { $keys }. En su máquina:
owner-settings-restart = Cómo reiniciar el nodo
owner-settings-restart-hint = Sin systemd, para el nodo y arráncalo de nuevo. Reiniciar termina lo que se está emitiendo aquí: su programa empieza otra emisión cuando vuelve a conectar.
owner-setting-default = Nadie lo ha fijado.
owner-setting-file = Fijado en el archivo de configuración.
owner-setting-here = Fijado aquí.
owner-setting-environment = Fijado por el entorno del proceso del nodo, que vale antes: cámbialo allí.
owner-setting-after-restart = Vale desde el próximo arranque.
owner-setting-at-once = Vale enseguida.
owner-setting-runs-with = El nodo funciona con
owner-setting-unset = Olvidar lo fijado aquí
owner-setting-set = Se fijó { $key }.
owner-setting-waits = Se fijó { $key }; surte efecto cuando se reinicie el nodo.
owner-setting-unknown = Eso no se puede fijar aquí: fíjalo en el archivo de configuración.
owner-setting-wrong = No se fijó: no es un valor para eso. { $value }
owner-setting-overridden = La variable de entorno { $variable } vale antes: cámbiala allí.
owner-setting-size = Un tamaño como 10GiB.
owner-setting-rate = Una velocidad como 8 Mbit/s, de 64 kbit/s como mínimo.
owner-setting-duration = Una duración como 60s.
owner-setting-number = Un número entero desde 0.
owner-setting-location = Un lugar como { "{" } latitude = 43.65, longitude = -79.38 { "}" }.
owner-setting-name = Un nombre de 1 a 100 caracteres.
owner-setting-address = Una dirección como http://10.0.0.5:8080, o nada.
owner-setting-line = Una línea de texto.
owner-setting-choice = Uno de: { $words }.
owner-setting-storage = No se fijó: no se pudieron escribir los ajustes. Mira si el disco está lleno o es de solo lectura; el registro dice más.
setting-node-name = Cómo llaman a este nodo sus visitantes y los demás nodos.
setting-node-location = Dónde está este nodo; se dice a los demás nodos. Sin fijar, no se dice a nadie.
setting-ingest-grace = Cuánto espera una emisión a quien emite y perdió la conexión, antes de terminar.
setting-archive-keep = Si las emisiones de este nodo se conservan cuando terminan y otros pueden descargarlas. Una clave de emisión puede decir otra cosa.
setting-archive-honour-withdrawals = Si las copias de aquí se sueltan cuando quien emitió retira una emisión.
setting-storage-quota = Lo que pueden ocupar en el disco los segmentos, propios y ajenos. Cuando se llena, los ajenos hacen sitio.
setting-storage-max-files = Cuántos archivos pueden ocupar los segmentos en el disco.
setting-storage-reserve = Lo que se deja libre en el disco, para que la máquina siga funcionando.
setting-ssb-hops = Hasta dónde replica este nodo: 1 es a quien sigue, 2 a quien siguen esos.
setting-ssb-announce-post = Si el comienzo de una emisión se cuenta también en una publicación, que otros programas de SSB muestran.
setting-web-public-url = La dirección con la que otros llegan a las páginas de este nodo, si no es la que la máquina conoce de sí misma.
setting-web-gateway = Qué sirve /ipfs/: known, lo que tienen las emisiones conocidas; open, lo que tenga cualquier nodo, para quien llegue a este.
setting-mesh-mirror = Qué emisiones ajenas se descargan aunque aquí nadie las vea: none y watched, ninguna más; followed, las de los nodos que este sigue; all, las de todos. Con none se abandona lo que ya nadie ve.
setting-mesh-tell-links = Si se dice a otros nodos con qué vecinos tiene enlaces este y cómo de buenos son, para el mapa de la malla.
setting-mesh-max-upload = Lo máximo que este nodo envía a otros nodos. Sin fijar: sin límite.
setting-mesh-max-upload-per-peer = Lo máximo que envía a uno solo. Sin fijar: sin límite.

# Log

owner-logs-hint = La línea más nueva primero. Se conserva mientras el nodo funciona y puede tener textos de otros nodos.
owner-logs-level = Mostrar
owner-logs-show = Mostrar
owner-logs-none = No hay líneas así.
owner-logs-newest = Lo más nuevo
owner-logs-older = Más antiguo
owner-level-error = Errores
owner-level-warn = Avisos y errores
owner-level-info = Lo que pasa
owner-level-debug = También decisiones
owner-level-trace = Todo

## Phones

portal-heading = Vídeo en { $node }
portal-what = Esta red no tiene Internet. Tiene vídeo en directo y archivos de la gente de alrededor, y cualquier navegador los reproduce.
portal-stay = Seguir en esta red
portal-then = Después abre esta dirección en tu navegador:
portal-through = Estás en la red. Cierra esta ventana y abre esta dirección en tu navegador:
portal-small-browser = Puede que esta ventana no reproduzca vídeo. Un navegador como Chrome, Firefox o Safari sí lo hace.
portal-code = Código QR de esta dirección
portal-show = Muestra el código a otras personas de esta red: sus teléfonos abren la página.

# El primer arranque de una máquina hecha de una imagen
first-boot-heading = Configurar este nodo
first-boot-what = Esta máquina aún no tiene dueño: lo será quien rellene esta página. Se tarda un minuto.
first-boot-problem = La máquina no se pudo configurar como se rellenó. Cambia aquello de lo que habla este texto e inténtalo de nuevo:
first-boot-name = Nombre del nodo
first-boot-name-hint = La gente lo ve en las páginas y en otros nodos: por ejemplo, el lugar.
first-boot-name-wrong = Escribe un nombre de 1 a 64 caracteres.
first-boot-password = Tu contraseña
first-boot-password-hint = 16 o más letras, cifras y signos sin espacios ni acentos, como cuatro palabras con guiones. Te deja entrar en las páginas del propietario y en la máquina como usuario mesh. Anótala: nadie puede volver a decírtela.
first-boot-password-wrong = Escribe 16 o más letras, cifras y signos, sin espacios ni acentos.
first-boot-again = La contraseña otra vez
first-boot-differs = Las dos contraseñas no son iguales. Escribe ambas de nuevo.
first-boot-radio = WiFi
first-boot-country = País
first-boot-country-hint = Dos letras, como AR o MX: cada país permite otros canales.
first-boot-country-wrong = Escribe las dos letras de tu país, como AR.
first-boot-wifi = Comienzo del nombre de la red
first-boot-wifi-hint = El nombre de tu red comunitaria. Le siguen unas letras propias de esta máquina, como en mesh-1a2b.
first-boot-wifi-wrong = Escribe como mucho 20 minúsculas, cifras y guiones.
first-boot-passphrase = Contraseña del WiFi
first-boot-passphrase-hint = De 8 a 63 caracteres. Sin ninguna, cualquiera puede unirse y oír lo que otros hacen allí.
first-boot-passphrase-wrong = Escribe de 8 a 63 caracteres sin acentos, o nada.
first-boot-community = Comunidad
first-boot-open = La abierta: todos los nodos sin comunidad propia
first-boot-new = Una privada nueva: su invitación estará después en las páginas del propietario
first-boot-join = Una a la que tengo invitación
first-boot-invite = Invitación
first-boot-invite-hint = Solo para unirse. Es un secreto: quien la tiene está dentro.
first-boot-invite-wrong = Esto no es una invitación. Cópiala entera o elige otra comunidad.
first-boot-button = Configurar
first-boot-working = La máquina se configura
first-boot-working-what = Su WiFi se apaga ahora y vuelve en menos de un minuto. Después:
first-boot-working-join = Únete al WiFi cuyo nombre empieza por { $wifi }-.
first-boot-working-join-again = Únete otra vez al WiFi de esta máquina: su nombre puede haber cambiado.
first-boot-working-passphrase = Pide la contraseña que elegiste para él.
first-boot-working-open = Abre la página del nodo:
first-boot-working-enter = Entra como propietario, con tu contraseña:
first-boot-working-problem = Si no se pudo hacer, esta página dice por qué:
