// The admin API's side of HTTP: decides who asks, in one place and before anything else is looked at, reads the body, and
// hands the request to AdminApi. Only the root credentials are let in, signed with SigV4 in the headers with the body's hash:
// a presigned URL, which may be passed around, is not enough to change a cluster. A request that changes something is taken once.
#pragma once

#include "common/clock.h"
#include "gateway/http/exchange.h"
#include "gateway/s3/auth/authenticate.h"
#include "tools/serve/admin_api.h"
#include "tools/serve/replays.h"

namespace gabion::serve {

// Thread-safe. All references must outlive it.
class AdminFront final : public gateway::http::Handler {
 public:
  AdminFront(AdminApi& api, const gateway::s3::CredentialSource& credentials, std::string region, Clock& clock)
      : api_(api), credentials_(credentials), clock_(clock) {
    auth_.region = std::move(region);
  }
  static bool serves(std::string_view path) { return path.starts_with("/admin/"); }
  task<void> handle(gateway::http::Exchange& exchange) override;

 private:
  // The body when the request is the root user's, is what was signed, and, if it changes something, was not seen before.
  task<Result<std::string>> admitted(gateway::http::Exchange& exchange);

  AdminApi& api_;
  const gateway::s3::CredentialSource& credentials_;
  Clock& clock_;
  gateway::s3::AuthConfig auth_;
  Replays replays_{2 * auth_.max_skew};  // from as far ahead of this clock to as far behind
};

}  // namespace gabion::serve
