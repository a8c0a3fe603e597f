output "ipv4" {
  description = "For the A record of the relay's name."
  value       = hcloud_server.relay.ipv4_address
}

output "ipv6" {
  description = "For the AAAA record of the relay's name."
  value       = hcloud_server.relay.ipv6_address
}

output "url" {
  description = "Where the relay is, once the name leads to it."
  value       = "https://${var.name}/"
}

output "ssh" {
  description = "How its owner gets in."
  value       = "ssh root@${hcloud_server.relay.ipv4_address}"
}
