// The one user there is until tenants come. Immutable; thread-safe.
#pragma once

#include "gateway/s3/auth/authenticate.h"
#include "tools/serve/secrets.h"

namespace gabion::serve {

class RootCredentials final : public gateway::s3::CredentialSource {
 public:
  explicit RootCredentials(const Secrets& secrets)
      : root_{.access_key = secrets.access_key, .secret_key = secrets.secret_key, .tenant = "default"} {}
  std::optional<gateway::s3::Credential> find(std::string_view access_key) const override {
    if (access_key != root_.access_key) return std::nullopt;
    return root_;
  }

 private:
  const gateway::s3::Credential root_;
};

}  // namespace gabion::serve
