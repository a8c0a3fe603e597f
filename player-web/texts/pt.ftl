# Textos em português; en.ftl é o original, CONTRIBUTING.md explica como acrescentar um texto.

## Pages

skip-to-content = Ir para o conteúdo
nav-label = Páginas
nav-broadcasts = Transmissões
language-label = Idioma
on-node = em { $node }
served-by = Servido por este nó, pela rede em malha. Não é preciso Internet.
documentation = Documentação
licences = Licenças

page-title = { $page } – Meshstream
home-title = Meshstream em { $node }
broadcasts-heading = Transmissões
live-heading = Ao vivo agora
live-nobody = Ninguém está ao vivo neste momento. Uma transmissão aparece aqui assim que este nó souber dela. Para transmitir, peça uma chave de transmissão a quem administra um nó.
reload-to-look = Recarregue a página para ver.
all-broadcasts = Todas as transmissões
untitled = Transmissão sem título
state-live = Ao vivo
state-ended = Terminada
unknown-time = a uma hora desconhecida
list-not-current = Esta lista não está atualizada: o nó não responde. Fique na rede WiFi dele, ela continua sozinha.

node-alone = Nenhum outro nó ao alcance: mostra-se o que este nó guarda.
node-connected =
    { $peers ->
        [one] Ligado a { $peers } outro nó.
       *[other] Ligado a { $peers } outros nós.
    }
node-disk-full = O disco dele está cheio: não guarda nada de novo.

published-by = Publicada por
withdrawn = Quem publicou esta transmissão retirou-a.
withdrawn-because = Quem publicou esta transmissão retirou-a: { $reason }
live-delay = Aqui, o ao vivo vai pelo menos { $seconds } s atrás da câmera: o vídeo viaja pela malha em segmentos, e o leitor mantém dois de reserva.
download-mp4 = Baixar o que há em MP4

not-found-heading = Não encontrado
not-found-page = Esta página não existe neste nó.
not-found-document = A documentação não tem essa página. Talvez tenha mudado de nome: procure-a no índice.
not-found-broadcast = Este nó não conhece essa transmissão.
not-found-hidden = O dono deste nó não mostra essa transmissão aqui.
not-shown-heading = Não é mostrada aqui
not-shown-hint = Outros nós talvez a mostrem.
not-found-hint = O endereço pode ter um erro, ou a notícia ainda não chegou a este nó: tente de novo daqui a um minuto, ou veja todas as transmissões.
page-failed = Esta página não pode ser mostrada agora. Tente de novo daqui a um minuto.
nav-archive = Arquivo
nav-timeline = Linha do tempo
nav-node = Nó
upcoming-heading = A seguir
state-upcoming = A seguir
recent-heading = Recentes
recent-none = Ainda não terminou nada. O que esteve ao vivo fica aqui depois, enquanto algum nó o guardar.
all-archive = Todo o arquivo, por dia
how-to-publish = Como transmitir
sound-only = Só som
search-label = Procurar transmissões e pessoas
search-button = Procurar
search-heading = Pesquisa
search-none = Nada do que se conhece aqui corresponde. Tente com menos palavras ou outras: procura-se em títulos, descrições e nomes de quem transmite.
docs-search-label = Procurar na documentação
docs-search-none = Nada na documentação tem todas estas palavras. Está em inglês; tente com menos palavras ou outras.
docs-contents = Toda a documentação
details-heading = Detalhes
share-heading = Partilhar ou incorporar
share-link = Ligação a esta página
share-embed = Código para mostrar o leitor na sua própria página
share-hint = Ambos funcionam onde se alcance este nó: na rede WiFi dele e por toda a malha.
copy = Copiar
copied = Copiado
back-to-watch = Ver
comments-heading = Comentários
fact-state = Estado
fact-began = Começou
fact-tracks = Contém
tracks-both = Imagem e som
tracks-picture = Só imagem
fact-segments = Guardado aqui
segments-held =
    { $held ->
        [one] { $held } segmento de { $seconds } s no máximo
       *[other] { $held } segmentos de { $seconds } s no máximo
    }
fact-kept = Depois
kept-yes = Outros podem guardá-la
kept-no = Não é guardada depois de terminar
fact-id = Identidade
fact-manifest = Manifesto ao vivo
this-node = Este nó
holders-heading = Também guardada por
holders-none = Nenhum outro nó disse ainda que guarda esta transmissão.
holder-mirrors = Mantém uma cópia
holder-republished = Voltou a publicá-la.
archives-heading = Arquivos
archives-none = Ainda não há nenhuma hora completa.
archives-hint = Uma lista toca no VLC e noutros leitores; a ligação IPFS é o mesmo conteúdo sob o seu hash, a partir de qualquer nó que o tenha.
archive-part = Parte
archive-length = Duração
archive-size = Tamanho
archive-play = Reproduzir
archive-playlist = Lista
archive-hour = Hora
archive-day = Dia
archive-whole = Tudo
archive-so-far = até agora
older-days = Dias anteriores
broadcasts-count =
    { $count ->
        [one] { $count } transmissão
       *[other] { $count } transmissões
    }
search-found =
    { $count ->
        [one] { $count } transmissão corresponde.
       *[other] { $count } transmissões correspondem.
    }
search-more = As { $count } mais recentes que correspondem; junte uma palavra para encontrar outras.
day-none = Nada do que se conhece aqui foi transmitido nesse dia.
day-more = Mais deste dia
days-label = Dias
earlier-day = Antes: { $date }
later-day = Depois: { $date }
failed-heading = Agora não
not-found-post = Esta publicação não se conhece aqui, ou quem a escreveu está bloqueado neste nó.
not-found-feed = Aqui não se sabe nada desta pessoa.
mesh-heading = A malha vista daqui
graph-title = Este nó, os vizinhos e os nós mais distantes. A tabela abaixo diz o mesmo.
graph-left-out =
    { $count ->
        [one] Conhece-se mais { $count } nó que não está desenhado.
       *[other] Conhecem-se mais { $count } nós que não estão desenhados.
    }
link-good = Bom
link-fair = Razoável
link-poor = Fraco
link-unknown = Ligado
link-connecting = A tentar
link-down = Sem alcance
storage-heading = Armazenamento
storage-used = { $used } de { $quota } em uso ({ $percent } %).
storage-free = Há { $free } livres no disco.
storage-disk-full = O disco está cheio: não se guarda nada de novo até haver espaço.
storage-failing = A última escrita falhou: quem administra este nó deve ver o disco.
storage-next = O que dará lugar a seguir
publish-heading = Transmitir daqui
publish-hint = Com OBS, Larix, ffmpeg ou outro programa que envie RTMP, na rede deste nó:
publish-nowhere = Este nó não recebe transmissões pela rede por onde você chega a ele. Pergunte a quem o administra, ou transmita por outro nó.
publish-server = Servidor
publish-key = Chave de transmissão
publish-key-hint = Peça-a a quem administra este nó: há uma para cada nome de transmissão.
neighbours-heading = Vizinhos
neighbours-none = Ainda nenhum vizinho. Os nós da mesma rede ou malha encontram-se sozinhos.
column-node = Nó
column-link = Ligação
column-rtt = Ida e volta
column-loss = Perda
column-in = Recebido
column-out = Enviado
column-over = Encontrado por
column-feed = Feed
column-heard = Última notícia
over-configured = definições
over-inbound = chamada dele
over-lan = rede local
minutes-ago = há { $minutes } min
known-label = Nós além dos vizinhos
known-heading =
    { $count ->
        [one] { $count } nó além
       *[other] { $count } nós além
    }
held-heading = Guardado aqui
held-none = Aqui ainda não se guarda nada. O que se vê neste nó é guardado enquanto houver espaço.
identity-heading = Identidade
identity-version = Versão
sources-heading = Quem lha traz
sources-own = É transmitida para este nó: ninguém tem de a trazer.
sources-none = Nada dela foi trazido ultimamente. Veja-a, e este nó dirá que outros a trazem.
source-publisher = Emissor
source-hops =
    { $hops ->
        [one] { $hops } salto
       *[other] { $hops } saltos
    }
sources-hint = Partes do que chegou nos últimos { $minutes } min.
viewers-count = A ver: { $here } aqui, { $all } em todos os nós.

node-code = Mostrar o endereço deste nó como código
node-code-hint = Com ele abrem as suas páginas os telemóveis que estão no WiFi deste nó ou o alcançam pela malha.

## The mesh

mesh-page-heading = A malha
mesh-page-link = Toda a malha, como os nós a contam
mesh-counts = Conhecidos aqui: nós { $nodes }, ligações { $links }, com lugar { $located }.
mesh-map-heading = Mapa
mesh-map-none = Nenhum nó diz onde está.
mesh-map-title = Nós que dizem onde estão. As tabelas abaixo dizem o mesmo.
mesh-topology-heading = Quem tem ligação com quem
mesh-topology-title = Este nó no centro, os outros à volta conforme o número de ligações até eles. As tabelas abaixo dizem o mesmo.
mesh-unmeasured = Não medida
mesh-one-end = Só uma ponta a conta
mesh-choose = Mostrar um nó
mesh-choose-none = Nenhum escolhido
mesh-nodes-heading = Nós
mesh-links-heading = Ligações
mesh-links-none = Aqui ainda não se sabe de nenhuma ligação entre dois nós.
column-hops = Saltos
column-place = Lugar
column-between = Entre
column-told = Contada por
mesh-told-both = as duas pontas
mesh-told-one = uma ponta
mesh-this-node = Este nó
mesh-north = N
mesh-pages = Abrir as páginas dele
mesh-not-asked = Outros falam dele. Não foi alcançado daqui, por isso não se conhece nem o lugar nem o que ele mesmo diz das ligações.
mesh-appear-heading = O que os nós contam
mesh-appear = Quem administra um nó escolhe se ele diz onde está, o que não faz sem que lho mandem, e se conta as suas ligações. Na máquina do nó, ou nas definições das páginas de quem o administra:
mesh-appear-hint = Dê um lugar não mais exato do que todos podem saber: quem alcança o nó pode perguntá-lo.

## Player

player-video = Vídeo
player-needs-script = O leitor precisa de JavaScript. Sem ele, abra o endereço do vídeo no VLC ou noutro leitor.
player-address = Endereço do vídeo
player-connecting = Ligando…
player-starting = Carregando o vídeo…
player-ready = Pronto. Toque no botão para ver.
player-paused = Em pausa. Prima reproduzir para continuar.
player-ended = A transmissão terminou. Prima reproduzir para vê-la outra vez.
player-playing = A reproduzir
player-playing-ended = A reproduzir. A transmissão terminou.
player-playing-seconds = A reproduzir, cerca de { $seconds } s atrás do direto
player-playing-minutes = A reproduzir, cerca de { $minutes } min atrás do direto
player-sound = A reproduzir só o som
player-sound-link = A reproduzir só o som: por agora a ligação não traz imagem.
player-sound-ended = A reproduzir só o som. A transmissão terminou.
player-sound-seconds = A reproduzir só o som, cerca de { $seconds } s atrás do direto
player-sound-minutes = A reproduzir só o som, cerca de { $minutes } min atrás do direto
player-unreachable = O nó não responde. Fique no WiFi dele: o leitor continua sozinho.
player-unplayable = Este navegador não consegue reproduzir o vídeo. Tente o Firefox ou o Chrome, ou abra o endereço no VLC.
player-unknown = Este nó não conhece essa transmissão. Veja na página inicial do nó o que há.
player-not-here-yet = O nó ainda está a buscar esta parte. O leitor continua sozinho.
player-waiting-to-start = À espera de quem transmite. O leitor começa sozinho.
player-waiting-to-go-on = À espera de quem transmite. O leitor continua sozinho.
player-gap = Esta parte perdeu-se pelo caminho. O leitor passa por cima dela.
player-held = Um momento: com um pouco mais de reserva, o vídeo passa sem parar.
player-catching-up = A recuperar: o vídeo vem a caminho pela malha.
player-too-slow = Até aqui chegam { $carries } kbit/s e o vídeo precisa de { $needs }. Faça uma pausa para carregar, aproxime-se do nó, ou veja-o mais tarde desde o início.
player-too-slow-choose = Até aqui chegam { $carries } kbit/s e o vídeo precisa de { $needs }. Escolha uma imagem menor ou só o som, ou veja-o mais tarde desde o início.
player-fetching = A buscar { $span } a outros nós: { $percent } % já está aqui.
player-nobody-has = Ninguém ao alcance enviou ainda { $span }. O leitor continua a pedir e salta essa parte em { $seconds } s.
player-tap-to-play = Tocar para ver
player-tap-for-sound = Tocar para ouvir
player-skip = Saltar esta parte
player-rewind = Desde o início
player-go-live = Ir para o direto
player-copy-link = Copiar uma ligação para este momento
player-link = Ligação para este momento
player-link-copied = Ligação copiada
player-link-beside = Copie a ligação ao lado
player-link-not-now = Agora não: tente outra vez
player-time-line = Linha do tempo
player-at = { $time } de { $end }
player-at-elsewhere = { $time }, a buscar a outros nós
player-at-gap = { $time }, perdeu-se pelo caminho
player-days = Dia
player-chapters = Hora
player-renditions = Imagem
player-rendition-auto = Imagem: automática
player-rendition-picture = { $height }p, { $kbps } kbit/s
player-rendition-sound = Só o som, { $kbps } kbit/s
player-rendition-hidden = Só o som, imagem escondida
player-captions = Legendas
player-captions-off = Legendas: não
player-captions-number = Legendas { $number }
player-picture-in-picture = Janela pequena
player-keys = Teclas
player-key-toggle = Reproduzir ou pausar
player-key-short = { $seconds } segundos para trás ou para a frente
player-key-long = { $seconds } segundos para trás ou para a frente
player-key-beginning = Desde o início
player-key-live = Ao direto
player-key-volume = Mais alto ou mais baixo
player-key-mute = Com ou sem som
player-key-captions = Com ou sem legendas
player-key-fullscreen = Ecrã inteiro
player-key-picture = Janela pequena
player-key-help = Mostrar ou esconder estas teclas

## Timeline

timeline-hint = Aqui escrevem os nós e as pessoas com uma aplicação Scuttlebutt que se seguem pela malha.
comments-hint = Os comentários chegam pela malha: de nós e de aplicações Scuttlebutt que respondem à publicação desta transmissão.
write-as-owner = Escrever como este nó (só quem o administra)
comments-none = Ainda não há comentários.
comments-on = Comentários sobre { $title }
timeline-none = Ninguém escreveu ainda nada que tenha chegado a este nó.
newest-posts = As publicações mais recentes
posts-missed = Há mais do que se mostra: carregue-o.
older = Mais antigas
in-answer-to = Em resposta a { $name }
replies =
    { $count ->
        [one] { $count } resposta
       *[other] { $count } respostas
    }
votes =
    { $count ->
        [one] { $count } gosto
       *[other] { $count } gostos
    }
thread-heading = Conversa
thread-first-missing = A primeira publicação desta conversa não chegou a este nó, ou quem a escreveu está bloqueado aqui.
answers-heading = Respostas
answers-none = Ainda não há respostas.
posts-heading = Publicações
feed-no-posts = Ainda não chegou a este nó nada escrito aqui.

## Owner

owner-nav = Proprietário
owner-overview = Visão geral
owner-broadcasts = Transmissões
owner-cameras = Câmeras
owner-keys = Chaves de transmissão
owner-posts = Publicações
owner-hidden = Oculto
owner-feeds = Seguir e bloquear
owner-storage = Armazenamento
owner-community = Comunidade
owner-settings = Configurações
owner-logs = Registro
owner-save = Salvar
owner-cancel = Cancelar
owner-back = Voltar
owner-manage = Gerenciar
owner-watch = Assistir
owner-title = Título
owner-description = Descrição
owner-began = começou { $time }
owner-starts = começa { $time }
owner-of = { $some } de { $all }
owner-failed = O nó não conseguiu fazer isso: { $reason }. Nada foi alterado. O registro diz mais; tente de novo e veja o armazenamento se continuar.
owner-left-out = Outros { $count } não são mostrados aqui.
owner-to-broadcasts = Todas as transmissões

# Entering

owner-enter = Entrar como proprietário
owner-enter-button = Entrar
owner-enter-by-link = Este link deixa este navegador entrar como proprietário de { $node }. Funciona uma vez.
owner-enter-how = Na máquina do nó, este comando mostra um link que deixa entrar uma vez:
owner-enter-token = Ou o token de administração
owner-enter-token-hint = Ele está no arquivo admin-token do diretório de dados do nó.
owner-link-over = Este link já foi usado ou tem mais de dez minutos: faça outro com “meshstream admin link”.
owner-refused = Nada foi alterado
owner-back-to-overview = Voltar à visão geral
owner-denied-no-token = Este nó não tem token de administração: faça um link com “meshstream admin link”.
owner-denied-origin = O formulário não veio de uma página desta sessão: volte, recarregue a página e envie de novo.
owner-denied-form = O formulário era longo demais ou foi cortado no caminho: encurte-o ou envie de novo.
owner-denied-wrong = Este não é o token de administração: compare-o com o arquivo ou faça um link com “meshstream admin link”.
owner-denied-too-many = Vieram tentativas erradas demais deste endereço: espere um minuto e tente de novo.
owner-denied-too-fast = Mudanças demais em pouco tempo: espere alguns segundos e envie de novo.
owner-denied-ended = Esta sessão terminou: entre de novo. O que você enviou não foi guardado.

# Overview

owner-attention = O que precisa de atenção
owner-all-well = Está tudo bem.
owner-problems = O que o nó diz, em inglês
owner-warn-disk = O disco está cheio: nada é publicado nem buscado. Libere espaço ou diminua a reserva em Armazenamento.
owner-warn-quota = A cota está ocupada pelo que não pode sair: aumente-a em Armazenamento ou apague uma transmissão.
owner-warn-files = Há tantos arquivos quanto pode haver: aumente storage.max_files na configuração ou apague uma transmissão.
owner-warn-failing = Não é possível escrever no disco: veja se ele está só para leitura ou gasto. O registro diz o que ele responde.
owner-warn-clock = O relógio desta máquina não está acertado: as transmissões não levam horários. Acerte-o ou conecte um relógio.
owner-warn-link = Nenhum outro nó está conectado: o que se publica aqui só é visto aqui. Veja a antena e quem está ao alcance.
owner-release-ready = A versão { $version } está aqui, assinada por { $signers }. Para instalá-la: sudo meshstream upgrade install
owner-warn-sound-silent = { $name }: não há som há { $seconds } s. Veja o microfone, o cabo e quem o silenciou.
owner-warn-sound-one-sided = { $name }: um dos dois canais está mudo. Conecte os dois ou faça o codificador misturá-los em um.
owner-warn-sound-clipped = { $name }: o som está alto demais e distorcido. Abaixe-o onde é gravado.
owner-warn-sound-quiet = { $name }: o som mal se ouve. Aumente-o, até entre -23 e -16 LUFS.
owner-on-air = No ar
owner-nobody-publishes = Ninguém publica aqui agora.
owner-stream = fluxo { $name }
owner-kbps = { $kbps } kbit/s
owner-loudness = som a { $loudness } LUFS
owner-node = Este nó
owner-fact-peers = Outros nós conectados
owner-fact-storage = Armazenado
owner-storage-used = { $used } de { $quota }
owner-fact-free = Livre no disco
owner-fact-reserve = Deixado livre
owner-fact-files = Arquivos
owner-fact-version = Versão
owner-fact-feed = Identidade
owner-session = Esta sessão
owner-session-hint = Ela termina após duas horas sem uso, em todo caso após doze, e quando o nó reinicia.
owner-leave = Sair

# Cameras

owner-cameras-hint = O próprio nó usa estas câmeras, codifica-as e publica-as. Elas começam com o nó.
owner-cameras-none = Ainda não há nenhuma câmera.
owner-cameras-without = Este nó foi compilado sem GStreamer, por isso não tem câmeras próprias. Crie uma chave e publique com OBS, ffmpeg ou um telefone:
owner-camera-add = Adicionar uma câmera
owner-camera-of = Câmera { $name }
owner-camera-change = Alterar
owner-camera-remove = Remover
owner-camera-start = Iniciar
owner-camera-again = Iniciar de novo
owner-camera-stop = Parar
owner-camera-refresh = Olhar de novo
owner-camera-configured = Está no arquivo de configuração.
owner-camera-preview = O que { $name } mostra
owner-camera-off = desligada
owner-camera-starting = está começando
owner-camera-publishing = publica
owner-camera-publishing-with = publica, codificada por { $encoder }
owner-camera-waiting = nova tentativa após { $seconds } s
owner-camera-failed = não funciona
owner-camera-ended = chegou ao fim
owner-camera-drops = Imagens são omitidas: esta máquina, ou o caminho até o nó, não dá conta. Escolha um tamanho menor, menos imagens por segundo ou uma taxa de bits mais baixa.
owner-camera-started = A câmera { $name } começa.
owner-camera-stopped = A câmera { $name } está desligada, e assim fica.
owner-camera-set = A câmera { $name } foi configurada e começa.
owner-camera-removed = A câmera { $name } foi removida. A chave dela vale até você a revogar.
owner-camera-gone = Essa câmera já não existe.
owner-camera-exists = Já há uma câmera com este nome: altere essa, ou use outro nome.
owner-camera-configured-only = A câmera { $name } está no arquivo de configuração: altere-a lá e reinicie o nó.
owner-camera-too-many = Há { $most } câmeras, que é o máximo: remova uma primeiro.
owner-camera-remove-sure = Remover a câmera { $name }?
owner-camera-remove-lost = Ela para, e o que foi configurado é esquecido. O que ela publicou fica.
owner-camera-devices = Encontrado na máquina do nó
owner-camera-devices-none = Nada foi encontrado. Conecte uma câmera e recarregue esta página. A câmera própria de um Raspberry Pi precisa do pacote gstreamer1.0-libcamera.
owner-camera-devices-failed = O nó não conseguiu ver o que está conectado: instale o pacote gstreamer1.0-plugins-good. O registro diz mais.
owner-camera-name-hint = Como sala ou palco-2. A chave com este nome é criada sozinha.
owner-camera-source = Imagem
owner-camera-source-hint = first (a primeira câmera encontrada), /dev/video0, libcamera, um endereço como rtsp://10.0.0.9/stream, o caminho de uma imagem como /srv/cartaz.png, pattern (uma imagem de teste) ou none (só som).
owner-camera-audio = Som
owner-camera-audio-hint = Vazio usa o que acompanha a imagem. Senão none, tone, alsa, pulse ou pipewire, com um dispositivo depois de dois-pontos: alsa:hw:1.
owner-camera-size = Largura e altura
owner-camera-rate = Imagens por segundo
owner-camera-bitrate = Taxa de bits da imagem, kbit/s
owner-camera-bitrate-hint = O que o enlace mais fraco do caminho aguenta.
owner-camera-audio-bitrate = Taxa de bits do som, kbit/s
owner-camera-rotate = Girar para a direita
owner-camera-title = Escrito sobre a imagem
owner-camera-clock = Mostrar a hora na imagem
owner-camera-encoder = Codificador
owner-camera-encoder-hint = Vazio usa o melhor que funcione. Senão v4l2h264enc, x264enc ou openh264enc.
owner-camera-set-button = Salvar e iniciar
owner-camera-wrong-source = Isto não é uma fonte: use uma das que estão abaixo do campo.
owner-camera-wrong-audio = Isto não é um som: use um dos que estão abaixo do campo. Sem imagem em movimento tem de haver som.
owner-camera-wrong-size = Escreva largura e altura em pixels pares de 64 a 3840, como 1280x720.
owner-camera-wrong-rate = Escreva um número inteiro de 1 a 120.
owner-camera-wrong-bitrate = Escreva um número inteiro de kbit/s, como 1500 para a imagem ou 96 para o som.
owner-camera-wrong-rotate = Escolha 0, 90, 180 ou 270 graus.
owner-camera-wrong-title = Escreva uma linha de no máximo 120 caracteres.
owner-camera-trouble-package = O GStreamer não tem { $element } aqui. Instale-o na máquina do nó: apt-get install { $package }
owner-camera-trouble-encoder = O codificador { $encoder } não funciona aqui: deixe o campo vazio, ou indique outro.
owner-camera-trouble-none = Nenhuma câmera foi encontrada: conecte uma, ou indique um endereço. A câmera própria de um Raspberry Pi precisa do pacote gstreamer1.0-libcamera.
owner-camera-trouble-gone = { $device } não está lá: conecte-o, ou escolha outro dispositivo.
owner-camera-trouble-permission = O nó não pode abrir { $device }: adicione o usuário dele aos grupos video e audio, e reinicie-o.
owner-camera-trouble-busy = { $device } está em uso: feche o programa que o tem.
owner-camera-trouble-format = { $device } não dá nada que sirva ({ $reason }): tente outro tamanho ou número de imagens.
owner-camera-trouble-source = { $address } não pode ser lido ({ $reason }): veja se toca em outro lugar.
owner-camera-trouble-over = { $address } terminou: veja se a câmera ou o programa que a envia está ligado.
owner-camera-trouble-refused = O nó não aceita o fluxo: { $reason }. Se você encerrou a transmissão dele, admita o fluxo de novo em Transmissões.
owner-camera-trouble-stalled = Nada chegou durante { $seconds } s: veja a câmera, o cabo e o enlace dela.
owner-camera-trouble-crashed = O codificador terminou sozinho ({ $status }). O registro diz mais; tente outro codificador se continuar.
owner-camera-trouble-key = Há para { $name } uma chave que esta câmera não recebeu: revogue-a em Chaves e inicie a câmera de novo, ou dê outro nome à câmera.
owner-camera-trouble-other = Não funciona: { $reason }. O registro diz mais.

# Stream keys

owner-keys-hint = Quem tem a chave de um nome de fluxo pode publicar com ele. Dê a cada câmera ou equipe a sua.
owner-keys-none = Ainda não há nenhuma chave.
owner-key-add = Adicionar uma chave
owner-key-add-button = Criar a chave
owner-key-name = Nome do fluxo
owner-key-name-hint = Como sala ou palco-2: letras, algarismos, pontos, hifens e sublinhados.
owner-key-name-wrong = Isto não é um nome de fluxo: use de 1 a 64 letras, algarismos, pontos, hifens e sublinhados, sem espaços.
owner-key-exists = Já existe uma chave com este nome: revogue-a primeiro ou escolha outro nome.
owner-key-gone = Já não há nenhuma chave com esse nome.
owner-key-made = A chave de { $name } foi criada.
owner-key-made-at = criada { $time }
owner-key-shown-once = A nova chave, mostrada só agora
owner-key-shown-once-hint = Copie agora. O nó não guarda nenhuma chave que possa mostrar de novo: uma chave perdida se revoga e se cria outra.
owner-key-then = Título e descrição do que se transmite com ela:
owner-key-server = Servidor (OBS, telefones)
owner-key-obs = Chave de transmissão (OBS, telefones)
owner-key-ffmpeg = Em um só endereço (ffmpeg: -f flv ENDEREÇO)
owner-key-archive = Quando termina
owner-key-archive-default = Como o nó faz
owner-key-archive-yes = Guardar
owner-key-archive-no = Não guardar nada
owner-key-archive-set = Vale a partir da próxima transmissão de { $name }.
owner-key-revoke = Revogar
owner-key-revoke-sure = Revogar a chave de { $name }?
owner-key-revoke-lost = Ninguém mais poderá publicar com ela. O que foi publicado fica. Uma nova chave para o nome pode ser criada a qualquer momento.
owner-key-revoke-live = Alguém publica com ela agora e será desconectado.
owner-key-revoked = A chave de { $name } não deixa mais ninguém entrar.

# Streams and plans

owner-streams = Fluxos
owner-streams-hint = Uma transmissão começa quando alguém se conecta com a chave de um fluxo. Aqui se diz antes com o que ela é anunciada.
owner-stream-edit = A próxima transmissão
owner-stream-next = A próxima transmissão de { $name }
owner-stream-hint = Ela é anunciada com isto. O que está no ar mantém o que tem.
owner-stream-title-hint = Vazio, vale o título do plano, o que diz o programa de quem publica ou o nome do fluxo.
owner-stream-fulfils = É o que foi planejado como
owner-stream-fulfils-none = Nada planejado
owner-stream-set = A próxima transmissão de { $name } é anunciada com isto.
owner-stream-start = Como começa
owner-stream-start-how = Inicie o programa de quem publica (OBS, o de um telefone, ffmpeg) com isto. A transmissão começa com a primeira imagem e termina quando quem publica fica fora mais tempo do que diz ingest.grace nas configurações, um minuto se ninguém definiu.
owner-stream-key-lost = A chave foi mostrada quando foi criada. Se foi perdida, revogue-a e crie outra:
owner-stream-refused = Você encerrou a transmissão: quem publica é recusado até que o programa fique alguns minutos sem tentar.
owner-stream-admit = Deixar entrar agora
owner-stream-admitted = Quem publica { $name } pode entrar de novo.
owner-planned = Planejado
owner-planned-none = Nada está planejado.
owner-planned-add = Planejar uma transmissão
owner-planned-edit = Mudar o plano
owner-planned-hint = É anunciada a todos os nós e mostrada como próxima até começar.
owner-planned-when = Quando começa
owner-planned-date = Data
owner-planned-time = Hora
owner-planned-zone = Fuso horário
owner-planned-time-wrong = Isto não é uma data com hora: escreva como 2026-12-31 e 20:15 e escolha o fuso.
owner-planned-time-past = Isto está no passado: escolha uma hora posterior ou acerte o relógio do nó.
owner-planned-added = A transmissão está planejada e foi dita aos outros nós.
owner-planned-changed = O plano foi mudado.
owner-planned-cancel = Desmarcar
owner-planned-cancel-sure = Desmarcar esta transmissão?
owner-planned-cancel-lost = Ela não é mais mostrada como próxima em nenhum nó. Pode ser planejada de novo.
owner-planned-cancelled = A transmissão foi desmarcada.
owner-planned-gone = Isso não está mais planejado.
owner-planned-too-many = Há 64 transmissões planejadas, que é o máximo: desmarque uma que não seja necessária.

# Broadcasts

owner-own-ended = Deste nó, encerradas
owner-own-ended-none = Nenhuma terminou ainda.
owner-others = De outros nós, guardadas aqui
owner-others-none = Nada de outros nós está guardado aqui.
owner-segments-held =
    { $count ->
        [one] { $count } segmento aqui
       *[other] { $count } segmentos aqui
    }
owner-published-by = Publicada por
owner-texts = Título e descrição
owner-title-empty = O título está vazio: escreva um.
owner-title-long = O título é longo demais: encurte-o para 200 caracteres.
owner-description-long = A descrição é longa demais: encurte-a para 2000 caracteres.
owner-broadcast-updated = O título e a descrição foram mudados e ditos aos outros nós.
owner-broadcast-unknown = Essa transmissão não é conhecida aqui.
owner-broadcast-over = Essa transmissão já terminou.
owner-not-own = Essa transmissão é de outro nó: só quem a publica pode fazer isso.
owner-still-live = Ainda está ao vivo: encerre-a primeiro.
owner-nothing-held = Nada dela está aqui: faça primeiro uma cópia.
owner-end = Encerrar a transmissão
owner-end-heading = Encerrar
owner-end-hint = Quem publica é desconectado. Também basta parar o programa.
owner-end-sure = Encerrar esta transmissão?
owner-end-lost = Todos veem que terminou e ela não pode continuar: o que vier depois é uma nova transmissão. Quem publica é recusado até que o programa fique alguns minutos sem tentar.
owner-broadcast-ended = A transmissão foi encerrada.
owner-keep = Guardar ou apagar
owner-keep-how-long = Quanto tempo fica neste nó
owner-keep-default = como o nó faz
owner-keep-default-own = Como o nó faz: as próprias ficam
owner-keep-default-other = Como o nó faz: dá lugar quando é preciso
owner-keep-keep = Guardar: nunca dá lugar
owner-keep-drop = Apagar alguns dias depois do fim
owner-keep-drop-after =
    { $days ->
        [one] é apagada { $days } dia depois do fim
       *[other] é apagada { $days } dias depois do fim
    }
owner-keep-dropped = foi apagada
owner-keep-days = Dias, contados enquanto o nó funciona
owner-keep-days-wrong = Escreva um número de dias de 1 a { $most }. Para apagar agora, use o botão abaixo.
owner-keep-set = O tempo que ela fica foi definido.
owner-keep-unfinished = Ela continua ou está sendo arquivada: diga depois de quantos dias apagar ou espere que termine.
owner-keep-too-many = { $most } transmissões têm uma regra própria, que é o máximo: volte algumas ao normal.
owner-delete = Apagar deste nó
owner-delete-sure = Apagar esta transmissão deste nó?
owner-delete-lost =
    { $count ->
        [one] Há { $count } segmento aqui, e ele se perde.
       *[other] Há { $count } segmentos aqui, e eles se perdem.
    }
owner-delete-lost-own = Se outro nó não tiver cópia, depois ninguém a terá.
owner-delete-lost-other = Quem a publica talvez ainda a tenha. A cópia aqui termina.
owner-broadcast-deleted = A transmissão foi apagada deste nó.
owner-mirror = Cópia
owner-mirror-hint = Uma cópia a busca e guarda inteira, e diz a outros nós que está aqui.
owner-mirror-begin = Guardar uma cópia aqui
owner-mirror-stop = Parar de copiar
owner-mirror-begun = A partir de agora guarda-se uma cópia.
owner-mirror-ended = Ela não é mais copiada. O que está aqui fica até faltar lugar.
owner-mirror-progress = { $here } de { $all } segmentos aqui
owner-mirror-own = É deste nó e é guardada sem cópia.
owner-mirror-not-running = Ela não está sendo copiada.
owner-mirror-too-many = Já se copiam tantas transmissões quanto possível: pare uma primeiro.
owner-mirror-by-setting = pela configuração mesh.mirror
owner-not-to-be-kept = Quem a publica anunciou que não é para guardar.
owner-was-withdrawn = Quem a publica a retirou. A configuração archive.honour_withdrawals diz se ela é guardada mesmo assim.
owner-republish = Republicar
owner-republish-hint = Diz a quem te segue que vale a pena guardar e que está aqui. Continua sendo de quem publicou. Não dá para desdizer.
owner-republished = Foi republicada.
owner-credit = A quem se deve
owner-withdraw = Retirar
owner-withdraw-hint = Retira: nenhum nó a mostra mais, e os que respeitam isso abandonam suas cópias.
owner-withdraw-sure = Retirar esta transmissão?
owner-withdraw-lost = Ela não poderá ser mostrada de novo: uma retirada não se desdiz. Alguém ainda pode ter uma cópia.
owner-withdraw-reason = Motivo, mostrado a todos (pode ficar vazio)
owner-withdraw-copy = A cópia neste nó
owner-withdraw-copy-keep = Guardar
owner-withdraw-copy-remove =
    { $count ->
        [one] Apagar: perde-se { $count } segmento
       *[other] Apagar: perdem-se { $count } segmentos
    }
owner-withdrawn = A transmissão foi retirada.
owner-withdrawn-badge = Retirada
owner-is-withdrawn = Quem a publica a retirou.
owner-reason-long = O texto é longo demais: encurte-o para 500 caracteres.

# Comments and what is hidden

owner-comments = Comentários
owner-comments-none = Ninguém comentou ainda.
owner-comment = Comentar como este nó
owner-reply = Responder
owner-block-author = Bloquear o autor
owner-hide = Ocultar
owner-unhide = Mostrar de novo
owner-hide-heading = Ocultar neste nó
owner-hide-hint = Quem visita este nó não vê mais. Outros nós mostram como antes, e pode ser mostrado de novo a qualquer momento.
owner-hide-sure = Ocultar isto?
owner-unhide-sure = Mostrar isto de novo?
owner-is-hidden = Oculto
owner-hidden-hint = Comentários e transmissões que quem visita este nó não vê. Os outros nós decidem por si.
owner-hidden-none = Nada está oculto. Os comentários se ocultam na página da transmissão.
owner-hidden-since = oculto { $time }
owner-hidden-not-here = Não é conhecido neste nó:
owner-hidden-now = Está oculto neste nó.
owner-shown-now = É mostrado de novo.
owner-hidden-too-many = Há { $most } mensagens ocultas, que é o máximo: mostre algumas ou bloqueie os autores.
owner-message-unknown = Isso não é mais conhecido aqui.
owner-a-broadcast = Transmissão
owner-a-comment = Comentário

# Posts

owner-post-text = Escrever como { $node }
owner-post-hint = Em Markdown. Todos os nós guardam, e não dá para desdizer.
owner-post-button = Publicar
owner-post-comment-on = Um comentário sobre esta transmissão:
owner-post-reply-to = Uma resposta a esta publicação:
owner-post-empty = Não há texto: escreva alguma coisa.
owner-post-long = O texto é longo demais para uma mensagem: encurte-o para cerca de 7000 caracteres.
owner-posted = Foi publicado.
owner-posts-newest = As publicações mais novas
owner-posts-none = Ninguém publicou ainda.

# Follow and block

owner-feeds-hint = Quem este nó segue é replicado, e quem eles seguem. Quem ele bloqueia não é buscado nem mostrado.
owner-feed-id = Identidade
owner-feed-wrong = Isto não é uma identidade: copie inteira, de @ até .ed25519.
owner-feed-own = É a identidade do próprio nó: indique outra.
owner-feed-nameless = Sem nome
owner-feed-followed = { $feed } é seguido.
owner-feed-blocked = { $feed } é bloqueado.
owner-feed-neutral = { $feed } não é seguido nem bloqueado.
owner-feeds-none = Nenhuma outra identidade é replicada aqui ainda.
owner-feeds-more = Outras { $count } não são mostradas aqui. Todas são listadas por
owner-follow = Seguir
owner-unfollow = Deixar de seguir
owner-block = Bloquear
owner-unblock = Desbloquear
owner-following = Seguida
owner-blocked = Bloqueada
owner-hops =
    { $hops ->
        [one] a { $hops } passo
       *[other] a { $hops } passos
    }
owner-hops-none = fora de quem este nó segue
owner-messages =
    { $messages ->
        [one] { $messages } mensagem aqui
       *[other] { $messages } mensagens aqui
    }
owner-block-sure = Bloquear esta identidade?
owner-block-lost = O que está guardado dela aqui é apagado: suas mensagens e suas transmissões. Ao desbloquear, é preciso buscar tudo de novo.
owner-block-broadcasts = Entre elas estas transmissões:

# Storage

owner-limits = Quanto se pode guardar
owner-quota = Máximo de bytes de transmissões
owner-reserve = Deixado livre no disco
owner-reserve-hint = Um tamanho como 1GiB. Permite ao nó anotar o fim de uma transmissão com o disco cheio.
owner-next = O que sai primeiro
owner-next-hint = Quando faltar lugar, elas saem nesta ordem.
owner-next-none = Nada do que está guardado dá lugar.
owner-held-passing = buscada porque alguém assistiu
owner-held-mirrored = copiada
owner-held-kept = guardada
owner-mirrors = Cópias
owner-mirrors-none = Nada é copiado.
owner-mirror-waits-room = Não há espaço para mais: aumente a cota acima ou apague alguma coisa.
owner-mirror-waits-segments = Nenhum nó ao alcance entrega o que falta. Tenta-se de novo.
owner-mirror-waits-archives = Nenhum nó ao alcance entrega os arquivos que dizem o que há dela. Tenta-se de novo.
owner-mirror-waits-list = Ninguém disse ainda o que há dela. Tenta-se de novo.
owner-mirror-waits-node = Este nó não conseguiu continuar: o registro diz por quê. Tenta-se de novo.
owner-kept = Transmissões com uma regra própria
owner-kept-none = Todas as transmissões ficam como o nó faz.

# Community

owner-community-open = Este nó está na comunidade aberta: quem o alcança pode participar.
owner-community-private = Este nó está em uma comunidade privada. Os nós a chamam de
owner-invite-show = Mostrar o convite
owner-invite-secret = O convite é um segredo: quem o vê está dentro, para sempre. Não dá para retirá-lo, só substituí-lo por outra comunidade. Mostre-o apenas a quem pode ver tudo aqui.
owner-invite-code = O convite como código QR
owner-invite = Convite
owner-invite-how = Na máquina do outro nó, este comando o lê; depois esse nó é reiniciado:
owner-community-other = Outra comunidade
owner-community-other-how = A comunidade se muda na máquina do nó, não aqui: um navegador pelo rádio não é lugar para tal segredo.
owner-community-join = Entrar em uma com o convite:
owner-community-invite-word = CONVITE
owner-community-new = Criar uma nova:
owner-community-leave = Voltar à aberta:
owner-community-restart = Tem efeito quando o nó é reiniciado.

# Settings

owner-settings-hint = O que se define aqui vale antes do arquivo de configuração e fica após reiniciar. As outras chaves se definem nesse arquivo.
owner-settings-waiting = Estas mudanças estão guardadas e esperam que o nó reinicie: { $keys }. Na máquina dele:
owner-settings-restart = Como reiniciar o nó
owner-settings-restart-hint = Sem systemd, pare o nó e inicie-o de novo. Reiniciar termina o que está sendo transmitido aqui: o programa começa outra transmissão quando se conecta de novo.
owner-setting-default = Ninguém definiu.
owner-setting-file = Definido no arquivo de configuração.
owner-setting-here = Definido aqui.
owner-setting-environment = Definido pelo ambiente do processo do nó, que vale antes: mude lá.
owner-setting-after-restart = Vale a partir do próximo início.
owner-setting-at-once = Vale imediatamente.
owner-setting-runs-with = O nó funciona com
owner-setting-unset = Esquecer o que se definiu aqui
owner-setting-set = { $key } foi definido.
owner-setting-waits = { $key } foi definido e terá efeito quando o nó reiniciar.
owner-setting-unknown = Isso não pode ser definido aqui: defina no arquivo de configuração.
owner-setting-wrong = Não foi definido: isso não é um valor possível. { $value }
owner-setting-overridden = A variável de ambiente { $variable } vale antes: mude lá.
owner-setting-size = Um tamanho como 10GiB.
owner-setting-rate = Uma taxa como 8 Mbit/s, de pelo menos 64 kbit/s.
owner-setting-duration = Uma duração como 60s.
owner-setting-number = Um número inteiro a partir de 0.
owner-setting-location = Um lugar como { "{" } latitude = 43.65, longitude = -79.38 { "}" }.
owner-setting-name = Um nome de 1 a 100 caracteres.
owner-setting-address = Um endereço como http://10.0.0.5:8080, ou nada.
owner-setting-line = Uma linha de texto.
owner-setting-choice = Um de: { $words }.
owner-setting-storage = Não foi definido: as configurações não puderam ser gravadas. Veja se o disco está cheio ou só de leitura; o registro diz mais.
setting-node-name = Como este nó se chama, para seus visitantes e para os outros nós.
setting-node-location = Onde este nó está; os outros nós ficam sabendo. Sem definir, ninguém fica.
setting-ingest-grace = Quanto tempo uma transmissão espera por quem transmite e perdeu a conexão, antes de terminar.
setting-archive-keep = Se as transmissões deste nó são guardadas quando terminam e outros podem buscá-las. Uma chave de transmissão pode dizer outra coisa.
setting-archive-honour-withdrawals = Se as cópias daqui são soltas quando quem transmitiu retira uma transmissão.
setting-storage-quota = O que os segmentos podem ocupar no disco, os deste nó e os dos outros. Quando enche, os dos outros abrem espaço.
setting-storage-max-files = Quantos arquivos os segmentos podem ocupar no disco.
setting-storage-reserve = O que fica livre no disco, para que a máquina continue funcionando.
setting-ssb-hops = Até onde este nó replica: 1 é quem ele segue, 2 quem esses seguem.
setting-ssb-announce-post = Se o começo de uma transmissão também é contado numa publicação, que outros programas SSB mostram.
setting-web-public-url = O endereço pelo qual outros chegam às páginas deste nó, se não é o que a máquina conhece de si.
setting-web-gateway = O que /ipfs/ serve: known, o que as transmissões conhecidas têm; open, o que qualquer nó tem, para quem chega a este.
setting-mesh-mirror = Quais transmissões de outros são buscadas sem que ninguém as veja aqui: none e watched, nenhuma outra; followed, as dos nós que este segue; all, as de todos. Com none, o que ninguém mais vê é abandonado.
setting-mesh-tell-links = Se se diz a outros nós com que vizinhos este tem ligações e quão boas são, para o mapa da malha.
setting-mesh-max-upload = O máximo que este nó envia a outros nós. Sem definir: sem limite.
setting-mesh-max-upload-per-peer = O máximo que envia a um só. Sem definir: sem limite.

# Log

owner-logs-hint = A linha mais nova primeiro. É guardado enquanto o nó funciona e pode ter textos de outros nós.
owner-logs-level = Mostrar
owner-logs-show = Mostrar
owner-logs-none = Não há linhas assim.
owner-logs-newest = As mais novas
owner-logs-older = Mais antigas
owner-level-error = Erros
owner-level-warn = Avisos e erros
owner-level-info = O que acontece
owner-level-debug = Também decisões
owner-level-trace = Tudo

## Phones

portal-heading = Vídeo em { $node }
portal-what = Esta rede não tem Internet. Tem vídeo ao vivo e arquivos das pessoas daqui, e qualquer navegador os reproduz.
portal-stay = Ficar nesta rede
portal-then = Depois abra este endereço no seu navegador:
portal-through = Você está na rede. Feche esta janela e abra este endereço no seu navegador:
portal-small-browser = Esta janela talvez não reproduza vídeo. Um navegador como Chrome, Firefox ou Safari reproduz.
portal-code = Código QR deste endereço
portal-show = Mostre o código a outras pessoas nesta rede: os telefones delas abrem a página.

# O primeiro arranque de uma máquina feita de uma imagem
first-boot-heading = Configurar este nó
first-boot-what = Esta máquina ainda não tem dono: será quem preencher esta página. Leva um minuto.
first-boot-problem = Não foi possível configurar a máquina como foi preenchido. Mude aquilo de que este texto fala e tente de novo:
first-boot-name = Nome do nó
first-boot-name-hint = As pessoas o veem nas páginas e em outros nós: o lugar, por exemplo.
first-boot-name-wrong = Escreva um nome de 1 a 64 caracteres.
first-boot-password = Sua senha
first-boot-password-hint = 16 ou mais letras, algarismos e sinais sem espaços nem acentos, como quatro palavras com hífens. Ela deixa você entrar nas páginas do dono e na máquina como usuário mesh. Anote: ninguém pode dizê-la de novo.
first-boot-password-wrong = Escreva 16 ou mais letras, algarismos e sinais, sem espaços nem acentos.
first-boot-again = A senha de novo
first-boot-differs = As duas senhas não são iguais. Escreva ambas de novo.
first-boot-radio = WiFi
first-boot-country = País
first-boot-country-hint = Duas letras, como BR ou PT: cada país permite outros canais.
first-boot-country-wrong = Escreva as duas letras do seu país, como BR.
first-boot-wifi = Início do nome da rede
first-boot-wifi-hint = O nome da sua rede comunitária. Seguem algumas letras próprias desta máquina, como em mesh-1a2b.
first-boot-wifi-wrong = Escreva no máximo 20 minúsculas, algarismos e hífens.
first-boot-passphrase = Senha do WiFi
first-boot-passphrase-hint = De 8 a 63 caracteres. Sem senha, qualquer pessoa pode entrar e ouvir o que outros fazem ali.
first-boot-passphrase-wrong = Escreva de 8 a 63 caracteres sem acentos, ou nada.
first-boot-community = Comunidade
first-boot-open = A aberta: todos os nós sem comunidade própria
first-boot-new = Uma nova, privada: seu convite fica depois nas páginas do dono
first-boot-join = Uma para a qual tenho convite
first-boot-invite = Convite
first-boot-invite-hint = Só para entrar. É um segredo: quem o tem está dentro.
first-boot-invite-wrong = Isto não é um convite. Copie-o inteiro ou escolha outra comunidade.
first-boot-button = Configurar
first-boot-working = A máquina está se configurando
first-boot-working-what = O WiFi dela desliga agora e volta em menos de um minuto. Depois:
first-boot-working-join = Entre no WiFi cujo nome começa com { $wifi }-.
first-boot-working-join-again = Entre de novo no WiFi desta máquina: o nome pode ter mudado.
first-boot-working-passphrase = Ele pede a senha que você escolheu para ele.
first-boot-working-open = Abra a página do nó:
first-boot-working-enter = Entre como dono, com sua senha:
first-boot-working-problem = Se não foi possível, esta página diz por quê:
