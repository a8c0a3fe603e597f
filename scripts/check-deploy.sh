#!/usr/bin/env bash
# Checks deploy/monitoring and deploy/relay: rules and their tests, the dashboard, that metrics which are named exist, scripts, units,
# the web server, cloud-init, Terraform. Writes nothing but to a temporary directory, and opens no port.
#
# Tools, all of Debian but Terraform: prometheus (promtool), caddy, cloud-init, curl, jq, nftables, shellcheck, systemd. What is not
# there is SKIPPED, and with CI=true that fails for all that Debian has. Terraform is SKIPPED wherever it or its provider is not to be had.
# MESHSTREAM is a built program, else target/debug/meshstream: it reads the relay's configuration.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d)
pids=()
clean() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap clean EXIT

failed=0
skipped=0

# check TEXT COMMAND…: runs it; its output is shown where it fails.
check() {
    local text=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok       $text"
    else
        echo "FAILED   $text"
        sed 's/^/         /' "$work/output"
        failed=$((failed + 1))
    fi
}

skip() {
    echo "SKIPPED  $1"
    skipped=$((skipped + 1))
}

# have PROGRAM PACKAGE TEXT: whether it is there. Debian's packages are a duty in CI.
have() {
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null && return 0
    if [ "${CI:-}" = true ]; then
        echo "FAILED   $3: $1 is missing (Debian's package $2)"
        failed=$((failed + 1))
    else
        skip "$3: $1 is missing (Debian's package $2)"
    fi
    return 1
}

dashboard=deploy/monitoring/grafana-dashboard.json
rules=deploy/monitoring/alerts.yml
script=deploy/monitoring/textfile/meshstream-host-metrics
relay=deploy/relay

# --- Metrics ---

# Rows begin with "| `name`", or with several names.
# shellcheck disable=SC2016 # these are Markdown's
documented() {
    sed -n 's/^| \(`[^|]*`\) |.*/\1/p' docs/operations/metrics.md docs/operations/monitoring.md |
        grep -oE '`mesh(stream|host)_[a-z0-9_]+`' | tr -d '`'
}
# Names in the dashboard and the rules; patterns such as meshstream_.+_panics_total are none.
used() {
    grep -ohE '\bmesh(stream|host)_[a-z0-9_]*[a-z0-9]' "$dashboard" "$rules" | sort -u
}
metrics_exist() {
    local missing
    missing=$(comm -13 <(documented | sort -u) <(used))
    [ -z "$missing" ] || { echo "not in docs/operations/metrics.md or monitoring.md:" "$missing"; return 1; }
    [ "$(used | wc -l)" -gt 50 ] || { echo "hardly any metric is named: does this check still find them?"; return 1; }
}
no_metric_twice() {
    local twice
    twice=$(documented | sort | uniq -d)
    [ -z "$twice" ] || { echo "documented twice:" "$twice"; return 1; }
}
host_metrics_documented() {
    diff <(grep -oE 'meshhost_[a-z0-9_]*[a-z0-9]' "$script" | sort -u) <(documented | grep '^meshhost_' | sort -u)
}
check 'each metric of the dashboard and the rules is documented' metrics_exist
check 'no metric is documented twice' no_metric_twice
check 'what meshstream-host-metrics writes is what is documented (<: written, >: documented)' host_metrics_documented

# --- Rules ---

rules_are_whole() {
    awk '/^ *- alert:/ { if (name && (!summary || !description || !severity)) { print name " lacks summary, description or severity"; bad = 1 }
                         name = $3; summary = description = severity = 0; if (seen[name]++) { print name " is there twice"; bad = 1 } }
         /severity: (critical|warning|info)\}/ { severity = 1 } /^ *summary: ./ { summary = 1 } /^ *description: ./ { description = 1 }
         END { if (name && (!summary || !description || !severity)) { print name " lacks summary, description or severity"; bad = 1 }
               if (!name) { print "no alerts"; bad = 1 } exit bad }' "$rules"
}
# A test with nothing to test passes, too.
rules_are_tested() {
    promtool test rules deploy/monitoring/alerts_test.yml && [ "$(grep -c '^  - name: ' deploy/monitoring/alerts_test.yml)" -ge 10 ]
}
check 'alerts have a severity, a summary and a description' rules_are_whole
if have promtool prometheus 'the rules, their tests, the configuration, the expressions of the dashboard'; then
    check 'alerts.yml' promtool check rules "$rules"
    check 'alerts_test.yml' rules_are_tested
    check 'prometheus.yml' promtool check config deploy/monitoring/prometheus.yml
fi

# --- The dashboard ---

dashboard_is_whole() {
    jq --exit-status '
        def all: .panels[], (.panels[] | .panels[]?);
        [all] as $panels |
        if ($panels | length) < 20 then error("few panels") else . end |
        if ([$panels[].id] | length) != ([$panels[].id] | unique | length) then error("a panel id is there twice") else . end |
        if any($panels[]; (.id | type) != "number" or (.title // "") == "") then error("a panel without id or title") else . end |
        ($panels[] | select(.type != "row") |
            if (.targets // [] | length) == 0 then error("panel \(.id) asks nothing")
            elif any(.targets[]; (.expr // "") == "") then error("panel \(.id) has an empty expression")
            elif ([.targets[].refId] | length) != ([.targets[].refId] | unique | length) then error("panel \(.id): a refId is there twice")
            elif .datasource.uid != "${datasource}" then error("panel \(.id) has a data source of its own")
            elif .gridPos.x + .gridPos.w > 24 then error("panel \(.id) is too wide")
            else empty end),
        (.uid and .title and (.schemaVersion >= 36) and ([.templating.list[].name] | contains(["datasource", "instance"])))' "$dashboard"
}
no_overlap() {
    jq --exit-status '
        [.panels[] | .gridPos as $at | range($at.x; $at.x + $at.w) as $x | range($at.y; $at.y + $at.h) as $y | [$x, $y]] |
        if length == (unique | length) then true else error("panels lie over each other") end' "$dashboard"
}
# Grafana puts something in for its variables; rules are what promtool reads.
expressions() {
    jq '{groups: [{name: "dashboard", rules: [.panels | to_entries[] | .value as $panel | $panel.targets[]? |
            {record: "panel_\($panel.id):\(.refId)", expr: (.expr | gsub("\\$__rate_interval"; "5m") | gsub("\\$instance"; ".*"))}]}]}' \
        "$dashboard" >"$work/expressions.yml" || return 1
    ! grep -n '\$' "$work/expressions.yml" && promtool check rules "$work/expressions.yml"
}
if have jq jq 'the dashboard'; then
    check 'the dashboard is JSON, with panels that are whole and have ids of their own' dashboard_is_whole
    check 'no panel of the dashboard lies over another' no_overlap
    if command -v promtool >/dev/null; then check 'the expressions of the dashboard' expressions; fi
fi

# --- Scripts ---

# A machine that has all there is to tell.
pretend_machine() {
    local sys=$work/sys card=$work/sys/block/mmcblk0/device
    mkdir -p "$sys/devices/platform/soc/soc:firmware" "$card" "$sys/class/rtc/rtc0"
    echo 50005 >"$sys/devices/platform/soc/soc:firmware/get_throttled"
    echo '0x03 0x0b' >"$card/life_time"
    echo 0x02 >"$card/pre_eol_info"
}
host_metrics() {
    pretend_machine
    MESHSTREAM_SYS=$work/sys MESHSTREAM_DATA_DIR=$work sh "$script" "$work/host.prom" || return 1
    for line in 'meshhost_undervoltage 1' 'meshhost_undervoltage_since_start 1' 'meshhost_throttled 1' \
        'meshhost_card_life_used_ratio{device="mmcblk0",memory="a"} 0.3' 'meshhost_card_life_used_ratio{device="mmcblk0",memory="b"} 1.1' \
        'meshhost_card_reserve_state{device="mmcblk0"} 2' 'meshhost_clock_with_battery 1'; do
        grep -qxF "$line" "$work/host.prom" || { echo "missing: $line"; cat "$work/host.prom"; return 1; }
    done
    [ "$(echo "$work"/host.prom*)" = "$work/host.prom" ] || { echo "something is left beside the file"; return 1; }
    [ "$(stat -c %a "$work/host.prom")" = 644 ] || { echo "the collector may not read the file"; return 1; }
    ! command -v promtool >/dev/null || promtool check metrics <"$work/host.prom"
}
if have shellcheck shellcheck 'scripts'; then
    check 'shellcheck' shellcheck "$script" "$relay/setup.sh" "$relay/user-data.sh" scripts/check-deploy.sh deploy/image/*.sh \
        deploy/image/root/usr/lib/meshstream-image/grow
    # initramfs-tools sets rootmnt, and its functions are on machines that boot with it.
    check 'shellcheck of the initial file system' shellcheck --shell dash --exclude SC1091,SC2013,SC2154 \
        deploy/image/root/etc/initramfs-tools/hooks/* deploy/image/root/etc/initramfs-tools/scripts/*/*
fi
check 'meshstream-host-metrics' host_metrics

# --- Units ---

# Drop-ins are read beside units that stand for those of the packages; programs that are not here are others that are.
units() {
    local dir=$work/units
    mkdir -p "$dir"
    cp -r deploy/monitoring/textfile/*.service deploy/monitoring/textfile/*.timer "$relay"/systemd/* "$dir"/ || return 1
    sed -i -E 's|^(ExecStart=)/usr/(local/)?bin/[a-z-]+|\1/bin/true|' "$dir"/*.service "$dir"/*.d/*.conf
    for unit in meshstream caddy yggdrasil; do
        printf '[Unit]\nDescription=%s\n[Service]\nExecStart=/bin/true\n' "$unit" >"$dir/$unit.service"
    done
    local said
    said=$(SYSTEMD_UNIT_PATH="$dir:" systemd-analyze verify --man=no "$dir"/*.service "$dir"/*.timer 2>&1)
    local result=$?
    # What it says of the machine's own units is not ours.
    said=$(grep -E "$dir|meshstream|caddy" <<<"$said")
    printf '%s\n' "$said"
    [ $result -eq 0 ] && [ -z "$said" ]
}
if have systemd-analyze systemd 'units'; then check 'systemd units' units; fi

# --- The relay ---

relay_keys_exist() {
    local missing=0 key
    while read -r key; do
        grep -qF "\`$key\`" docs/operations/configuration-reference.md || { echo "$key is not in docs/operations/configuration-reference.md"; missing=1; }
    done < <(awk '/^\[/ { section = substr($1, 2, length($1) - 2) } /^[a-z_]+ *=/ { print section "." $1 }' "$relay/meshstream.toml")
    return $missing
}
relay_starts() {
    "$program" --config "$relay/meshstream.toml" --data-dir "$work/node" key list
}
check 'each key of the relay is documented' relay_keys_exist
program=${MESHSTREAM:-target/debug/meshstream}
if [ -x "$program" ]; then
    check 'the program reads the configuration of the relay' relay_starts
else
    skip 'the configuration of the relay: no built program'
fi

# The Caddyfile with a stand-in for the node, over Unix sockets, without certificates.
start_caddy() {
    export RELAY_NAME=http://live.example.org XDG_DATA_HOME=$work/caddy XDG_CONFIG_HOME=$work/caddy
    cat >"$work/node.caddy" <<END
{
	admin off
}
http:// {
	bind unix/$work/node.sock
	header Content-Security-Policy "connect-src 'self'"
	header X-Told "for {http.request.header.X-Forwarded-For}"
	header Cache-Control "immutable"
	header Etag "\"cid\""
	respond "the node"
}
END
    sed -e "s|reverse_proxy 127.0.0.1:8080|reverse_proxy unix/$work/node.sock|" \
        -e "s|^{\$RELAY_NAME.*|&\n\tbind unix/$work/front.sock|" "$relay/Caddyfile" >"$work/front.caddy"
    for name in node front; do
        caddy run --adapter caddyfile --config "$work/$name.caddy" >"$work/$name.log" 2>&1 &
        pids+=($!)
    done
    for _ in $(seq 100); do
        [ -S "$work/node.sock" ] && [ -S "$work/front.sock" ] && return 0
        sleep 0.1
    done
    cat "$work/node.log" "$work/front.log"
    return 1
}
# ask PATH [OPTION…]: the status.
ask() {
    local path=$1
    shift
    curl --silent --max-time 10 --path-as-is --unix-socket "$work/front.sock" --output "$work/body" --dump-header "$work/headers" \
        --write-out '%{http_code}' "$@" "http://live.example.org$path"
}
paths_are_public() {
    local path status
    for path in / /watch/S /embed/S /archive /archive/2026-11-21 /search?q=x /timeline /thread/K /feed/F /broadcast/B/comments \
        /hls/S/index.m3u8 /hls/S/7.m4s /ipfs/CID/index.m3u8 /blobs/B /assets/a.js /player.js /player.css /qr.svg /docs /docs/ \
        /docs/operations/install.html \
        /api/v1/broadcasts /api/v1/broadcasts/S/timeline /api/v1/upcoming /ws; do
        status=$(ask "$path")
        [ "$status $(cat "$work/body")" = '200 the node' ] || { echo "$path: $status"; return 1; }
    done
}
paths_are_refused() {
    local path status
    for path in /admin /admin/ /admin/enter //admin /%61dmin /ADMIN /assets/../admin /assets/%2e%2e/admin /docs/../admin /metrics /hls/../metrics \
        /nodeinfo.json /healthz /control/keys /portal /nothing /api/v1/node /api/v1/peers /api/v1/storage /api/v1/session /api/v1/posts \
        /api/v1/votes /api/v1/broadcasts/S/sources /api/v1/broadcasts/../peers; do
        status=$(ask "$path")
        [ "$status $(cat "$work/body")" = '404 Not found.' ] || { echo "$path: $status $(cat "$work/body")"; return 1; }
    done
    for method in POST PUT DELETE PATCH; do
        status=$(ask /api/v1/broadcasts --request $method)
        [ "$status" = 404 ] || { echo "$method: $status"; return 1; }
    done
    [ "$(ask /node)" = 302 ] || { echo "/node leads elsewhere"; return 1; }
    local header
    header=$(head -c 32000 /dev/zero | tr '\0' a)
    [ "$(ask / --header "X-Large: $header")" = 431 ] || { echo 'a head of 32 kB is taken'; return 1; }
}
headers_pass() {
    [ "$(ask /hls/S/7.m4s --header 'X-Forwarded-For: 192.0.2.1')" = 200 ] || return 1
    ! grep -q 192.0.2.1 "$work/headers" || { echo 'a visitor says whose he is'; return 1; }
    local line
    for line in 'Cache-Control: immutable' 'Etag: "cid"' 'Strict-Transport-Security: max-age=604800' \
        "Content-Security-Policy: connect-src 'self'"; do
        tr -d '\r' <"$work/headers" | grep -qixF "$line" || { echo "missing: $line"; cat "$work/headers"; return 1; }
    done
}
if have caddy caddy 'the Caddyfile'; then
    check 'the Caddyfile' env RELAY_NAME=live.example.org XDG_DATA_HOME="$work/caddy" XDG_CONFIG_HOME="$work/caddy" \
        caddy validate --adapter caddyfile --config "$relay/Caddyfile"
    if have curl curl 'what Caddy lets through'; then
        check 'Caddy starts with it' start_caddy
        check 'what is public goes to the node' paths_are_public
        check 'all else is refused' paths_are_refused
        check 'headers pass, but for those by which a visitor says who he is' headers_pass
    fi
fi

nft_reads() {
    PATH=$PATH:/usr/sbin:/sbin nft --check --file "$relay/nftables.conf"
}
if have nft nftables 'the firewall'; then
    # It asks the kernel, which only root may.
    if unshare --net true 2>/dev/null; then
        check 'nftables.conf' unshare --net bash -c "$(declare -f nft_reads); relay=$relay; nft_reads"
    elif unshare --map-root-user --net true 2>/dev/null; then
        check 'nftables.conf' unshare --map-root-user --net bash -c "$(declare -f nft_reads); relay=$relay; nft_reads"
    else
        skip 'nftables.conf: needs root, or user namespaces'
    fi
fi

# --- Cloud-init and Terraform ---

url='https://example.org/meshstream_0.1.0-1_amd64.deb?a=1&b=2'
sum=$(printf %064d 0)
keys=("$(printf %064d 1)" "$(printf %064d 2)")
user_data() {
    "$relay/user-data.sh" live.example.org "$url" "$sum" "${keys[@]}" >"$work/user-data.yaml" || return 1
    # shellcheck disable=SC2016 # a placeholder that is left
    ! grep -n '\${' "$work/user-data.yaml" || return 1
    # The smallest limit of providers.
    [ "$(wc -c <"$work/user-data.yaml")" -lt 16384 ] || { echo 'more than 16 KiB'; return 1; }
    local bad
    for bad in 'a b' 'x"y.org' '' 'localhost'; do
        if "$relay/user-data.sh" "$bad" "$url" "$sum" >/dev/null 2>&1; then
            echo "takes '$bad' for a name"
            return 1
        fi
    done
}
check 'user-data.sh' user_data
if have cloud-init cloud-init 'the user data'; then
    check 'the user data is a cloud-config' cloud-init schema --config-file "$work/user-data.yaml"
fi

terraform_module() {
    local list
    list=$(printf '"%s",' "${keys[@]}")
    cp -r "$relay" "$work/relay" && cd "$work/relay/terraform/cloud-init" || return 1
    terraform init -backend=false -input=false && terraform validate &&
        terraform apply -input=false -auto-approve -var name=live.example.org -var "package_url=$url" -var "package_sha256=$sum" \
            -var "gateway_keys=[${list%,}]" &&
        terraform output -raw user_data >"$work/user-data-terraform.yaml" || return 1
    diff "$work/user-data.yaml" "$work/user-data-terraform.yaml"
}
if command -v terraform >/dev/null; then
    export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
    check 'terraform fmt' terraform -chdir="$relay/terraform" fmt -check -recursive -diff
    # In a shell of its own, since it goes to another directory.
    check 'terraform/cloud-init is valid, and makes what user-data.sh does' bash -c \
        "$(declare -f terraform_module); work=$work relay=$relay url='$url' sum=$sum keys=(${keys[*]}); terraform_module"
    if terraform -chdir="$work/relay/terraform/hcloud" init -backend=false -input=false >"$work/init" 2>&1; then
        check 'terraform/hcloud is valid' terraform -chdir="$work/relay/terraform/hcloud" validate
    elif grep -q 'registry\|provider' "$work/init" && ! grep -q 'Invalid\|Unsupported\|Argument' "$work/init"; then
        skip 'terraform/hcloud: its provider cannot be downloaded here'
    else
        check 'terraform/hcloud' false
        cat "$work/init"
    fi
else
    skip 'terraform/: terraform is missing, and Debian does not have it'
fi

echo
echo "check-deploy: $failed failed, $skipped skipped"
[ $failed -eq 0 ]
