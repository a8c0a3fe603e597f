variable "name" {
  description = "The relay's name in the DNS, such as live.example.org. You set its records, to the addresses that come out."
  type        = string
}

variable "package_url" {
  description = "Where the Debian package of Meshstream is to be had, by https."
  type        = string
}

variable "package_sha256" {
  description = "The checksum of the package (sha256sum)."
  type        = string
}

variable "gateway_keys" {
  description = "Public keys of the mesh's Yggdrasil nodes that may connect ('yggdrasilctl getself'). Without any, everybody may."
  type        = list(string)
  default     = []
}

variable "ssh_public_key" {
  description = "Your public SSH key, one line as in id_ed25519.pub."
  type        = string

  validation {
    condition     = can(regex("^(ssh-|ecdsa-|sk-)", var.ssh_public_key))
    error_message = "This is not the public part of an SSH key."
  }
}

variable "ssh_from" {
  description = "Networks that may use SSH, such as [\"203.0.113.7/32\"]."
  type        = list(string)
  default     = ["0.0.0.0/0", "::/0"]
}

variable "server_type" {
  description = "At least 2 GB of memory, x86, and a disk larger than storage.quota (20 GiB)."
  type        = string
  default     = "cx23"
}

variable "location" {
  description = "Where the server stands: near those who watch."
  type        = string
  default     = "nbg1"
}
