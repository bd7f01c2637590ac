// TLS between nodes, both of which show a certificate of the cluster's authority. MutualTls holds the credentials, which can
// be replaced while it is used: new connections take the new ones. ThreadMutualTls is one thread's OpenSSL contexts made
// from them. A server lets strangers, who have no certificate, through; ByteStream::identify() tells them apart.
//
// A node that wants to join knows of the authority's certificate only how its fingerprint begins: see for_stranger().
//
// MutualTls is thread-safe; ThreadMutualTls belongs to one thread and its MutualTls outlives it. Dates of certificates are
// held against the clock given, which outlives both.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "common/clock.h"
#include "common/result.h"

struct ssl_ctx_st;

namespace gabion::net {

struct NodeCredentials {
  std::string authority;    // PEM: who signs the peers' certificates
  std::string certificate;  // PEM: the own chain, its own certificate first and the authority's too, for strangers to see
  std::string key;          // PEM, unencrypted
};

class MutualTls {
 public:
  static Result<std::shared_ptr<MutualTls>> make(NodeCredentials credentials, Clock& clock);
  // For a client without a certificate. It believes a server whose chain ends in a certificate with a SHA-256 fingerprint
  // that begins with these raw bytes.
  static Result<std::shared_ptr<MutualTls>> for_stranger(std::string authority_prefix, Clock& clock);

  // On an error nothing changes.
  Result<void> replace(NodeCredentials credentials);

 private:
  friend class ThreadMutualTls;
  struct Material {
    NodeCredentials credentials;
    std::string authority_prefix;
  };
  explicit MutualTls(Clock& clock);
  Result<void> install(std::shared_ptr<const Material> material);
  std::shared_ptr<const Material> material() const;

  Clock& clock_;
  std::atomic<std::uint64_t> generation_{0};  // increases with each replacement
  mutable std::mutex mutex_;
  std::shared_ptr<const Material> material_;  // guarded by mutex_
};

class ThreadMutualTls {
 public:
  explicit ThreadMutualTls(const MutualTls& source) : source_(source) {}
  // The contexts for a new connection. Connections keep the one they began with.
  std::shared_ptr<ssl_ctx_st> server();
  std::shared_ptr<ssl_ctx_st> client();

 private:
  void refresh();
  const MutualTls& source_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<ssl_ctx_st> server_, client_;
};

}  // namespace gabion::net
