# A Meshstream relay at Hetzner Cloud: a server, its firewall, and the SSH key of its owner. The token is read from HCLOUD_TOKEN.

terraform {
  required_version = ">= 1.3"

  required_providers {
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = "~> 1.45"
    }
  }
}

provider "hcloud" {}

module "cloud_init" {
  source = "../cloud-init"

  name           = var.name
  package_url    = var.package_url
  package_sha256 = var.package_sha256
  gateway_keys   = var.gateway_keys
}

locals {
  # In the provider's names dots stand for nothing.
  resource_name = replace(var.name, ".", "-")
  anywhere      = ["0.0.0.0/0", "::/0"]

  # The machine's own firewall (nftables.conf) says the same; this one holds before the machine has started.
  open = {
    ssh       = { protocol = "tcp", port = "22", from = var.ssh_from }
    http      = { protocol = "tcp", port = "80", from = local.anywhere }
    https     = { protocol = "tcp", port = "443", from = local.anywhere }
    http3     = { protocol = "udp", port = "443", from = local.anywhere }
    yggdrasil = { protocol = "tcp", port = "4443", from = local.anywhere }
    icmp      = { protocol = "icmp", port = null, from = local.anywhere }
  }
}

resource "hcloud_ssh_key" "owner" {
  name       = local.resource_name
  public_key = var.ssh_public_key
}

resource "hcloud_firewall" "relay" {
  name = local.resource_name

  dynamic "rule" {
    for_each = local.open

    content {
      description = rule.key
      direction   = "in"
      protocol    = rule.value.protocol
      port        = rule.value.port
      source_ips  = rule.value.from
    }
  }
}

resource "hcloud_server" "relay" {
  name         = local.resource_name
  server_type  = var.server_type
  image        = "debian-12"
  location     = var.location
  ssh_keys     = [hcloud_ssh_key.owner.id]
  firewall_ids = [hcloud_firewall.relay.id]
  user_data    = module.cloud_init.user_data

  public_net {
    ipv4_enabled = true
    ipv6_enabled = true
  }

  lifecycle {
    # Changed files would replace the server, with the identities and all that is mirrored on it. Changes are copied there by hand, or
    # 'terraform apply -replace=hcloud_server.relay' starts anew.
    ignore_changes = [user_data, ssh_keys, image]
  }
}
