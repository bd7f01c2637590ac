// Authority is what a cluster creates for itself, once: a key and a self-signed certificate (ECDSA P-256, ten years) that sign
// the certificates of its nodes (one year; to be renewed when two thirds of it are over). A node makes its own key, which
// never leaves it, and sends a request.
//
//   auto authority = Authority::create(cluster, clock, rng);
//   auto key = make_key();                                                // on the node
//   TRY(request, make_request(key));
//   TRY(chain, authority.issue(request, NodeId{3}, clock, rng));          // where the authority is
//
// Immutable; thread-safe. All texts are PEM.
#pragma once

#include <memory>
#include <string>

#include "common/clock.h"
#include "common/ids.h"
#include "common/pki/certificate.h"
#include "common/result.h"
#include "common/rng.h"

namespace gabion::pki {

std::string make_key();
Result<std::string> make_request(const std::string& key);

// Whether two thirds of its time are over.
bool is_due_for_renewal(const Certificate& certificate, WallMicros now);

class Authority {
 public:
  static Authority create(ClusterId cluster, Clock& clock, Rng& rng);
  // What certificate() and key() gave.
  static Result<Authority> load(const std::string& certificate, const std::string& key);
  ~Authority();
  Authority(Authority&&) noexcept;
  Authority& operator=(Authority&&) noexcept;

  const std::string& certificate() const { return certificate_; }
  const std::string& key() const { return key_; }  // whoever has it can be any node
  ClusterId cluster() const { return cluster_; }

  // The node's chain: its certificate for the key of the request, then the authority's. What the request says of its subject
  // is not looked at. invalid: not a request, not signed by its key, or of another kind of key.
  Result<std::string> issue(const std::string& request, NodeId node, Clock& clock, Rng& rng) const;

 private:
  struct Material;
  Authority(std::unique_ptr<Material> material, ClusterId cluster);
  std::unique_ptr<Material> material_;
  ClusterId cluster_;
  std::string certificate_, key_;
};

}  // namespace gabion::pki
