# The user data of a relay, for the resource of any provider that takes it. It needs no provider itself.

terraform {
  required_version = ">= 1.3"
}

variable "name" {
  description = "The relay's name in the DNS, such as live.example.org."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+$", var.name))
    error_message = "This is a name in the DNS with at least one dot."
  }
}

variable "package_url" {
  description = "Where the Debian package of Meshstream is to be had, by https."
  type        = string

  validation {
    condition     = can(regex("^https://[a-zA-Z0-9./:_~%+=&?,-]+$", var.package_url))
    error_message = "The package's address begins with https:// and has no spaces or quotes."
  }
}

variable "package_sha256" {
  description = "The checksum of the package: 64 small hexadecimal digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "The checksum has 64 small hexadecimal digits."
  }
}

variable "gateway_keys" {
  description = "Public keys of the mesh's Yggdrasil nodes that may connect to the relay. Without any, everybody may."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for key in var.gateway_keys : can(regex("^[0-9a-f]{64}$", key))])
    error_message = "A public key of Yggdrasil has 64 small hexadecimal digits."
  }
}

locals {
  relay = "${path.module}/../.."
}

output "user_data" {
  description = "The cloud-config. It holds no secrets."
  value = templatefile("${local.relay}/cloud-init.yaml", {
    name            = var.name
    package_url     = var.package_url
    package_sha256  = var.package_sha256
    gateway_keys    = join("", [for key in var.gateway_keys : ", \"${key}\""])
    caddyfile       = filebase64("${local.relay}/Caddyfile")
    meshstream_toml = filebase64("${local.relay}/meshstream.toml")
    nftables_conf   = filebase64("${local.relay}/nftables.conf")
    meshstream_unit = filebase64("${local.relay}/systemd/meshstream.service.d/relay.conf")
    caddy_unit      = filebase64("${local.relay}/systemd/caddy.service.d/relay.conf")
    setup           = filebase64("${local.relay}/setup.sh")
  })
}
