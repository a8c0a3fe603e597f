# Textos em português; en.ftl é o original, CONTRIBUTING.md explica como acrescentar um texto.

## Pages

skip-to-content = Ir para o conteúdo
nav-label = Páginas
nav-broadcasts = Transmissões
language-label = Idioma
on-node = em { $node }
served-by = Servido por este nó, pela rede em malha. Não é preciso Internet.
licences = Licenças

page-title = { $page } – Meshstream
home-title = Meshstream em { $node }
broadcasts-heading = Transmissões
live-heading = Ao vivo agora
live-nobody = Ninguém está ao vivo neste momento. Uma transmissão aparece aqui assim que este nó souber dela. Para transmitir, peça uma chave de transmissão a quem administra um nó.
reload-to-look = Recarregue a página para ver.
ended-heading = Terminadas
all-broadcasts = Todas as transmissões
untitled = Transmissão sem título
state-live = Ao vivo
state-ended = Terminada
began = começou { $when }
by = de { $publisher }
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
not-found-broadcast = Este nó não conhece essa transmissão.
not-found-hint = O endereço pode ter um erro, ou a notícia ainda não chegou a este nó: tente de novo daqui a um minuto, ou veja todas as transmissões.
page-failed = Esta página não pode ser mostrada agora. Tente de novo daqui a um minuto.

## Player

## Timeline

## Owner

## Phones
