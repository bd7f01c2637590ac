#include "gateway/data/keys.h"

#include <fmt/format.h>

namespace gabion::gateway::data {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kTenantNameMax = 255;
constexpr int kCreateAttempts = 8;
constexpr std::string_view kDataKeyPurpose = "gabion data key";

std::string tenant_purpose(const std::string& tenant) { return "gabion tenant key " + tenant; }

}  // namespace

KeyStore::KeyStore(const SecretKey& master, metadata::Metadata& metadata, Rng& rng)
    : master_(master), metadata_(metadata), rng_(rng) {}

std::optional<SecretKey> KeyStore::cached(const std::string& tenant) const {
  const std::lock_guard lock(mutex_);
  const auto it = tenants_.find(tenant);
  if (it == tenants_.end()) return std::nullopt;
  return it->second;
}

void KeyStore::remember(const std::string& tenant, const SecretKey& key) {
  const std::lock_guard lock(mutex_);
  tenants_.insert_or_assign(tenant, key);
}

Result<SecretKey> KeyStore::unwrap_tenant(const std::string& tenant, const std::string& wrapped) const {
  auto key = unwrap_key(master_, wrapped, tenant_purpose(tenant));
  if (key) return key;
  return Error(Errc::denied,
               fmt::format("the key of tenant '{}' was not wrapped by this master key: is it the right one?", tenant));
}

task<Result<SecretKey>> KeyStore::load(Context ctx, std::string tenant, IfAbsent absent) {
  if (auto key = cached(tenant)) co_return *key;
  for (int attempt = 0; attempt < kCreateAttempts; ++attempt) {
    CO_TRY(auto current, co_await metadata_.cluster_state(ctx));
    for (const metadata::WrappedKey& entry : current.state.tenant_keys()) {
      if (entry.name() != tenant) continue;
      CO_TRY(const SecretKey key, unwrap_tenant(tenant, entry.wrapped()));
      remember(tenant, key);
      co_return key;
    }
    if (absent == IfAbsent::fail) {
      co_return Error(Errc::denied, fmt::format("the key of tenant '{}' does not exist or was destroyed", tenant));
    }
    const SecretKey key = SecretKey::random(rng_);
    metadata::Command command;
    auto* set = command.mutable_set_cluster_state();
    *set->mutable_state() = std::move(current.state);
    set->set_expected_version(current.version);
    auto* added = set->mutable_state()->add_tenant_keys();
    added->set_name(tenant);
    added->set_wrapped(wrap_key(master_, key, tenant_purpose(tenant), rng_));
    // The next round reads what was committed, by us or by another who was faster.
    CO_CHECK(co_await metadata_.commit(ctx, std::move(command)));
  }
  co_return Error(Errc::conflict, "the cluster state changes too fast to add a tenant's key");
}

task<Result<SecretKey>> KeyStore::tenant_key(Context ctx, std::string tenant) {
  if (tenant.empty() || tenant.size() > kTenantNameMax) {
    co_return Error(Errc::invalid, "a tenant's name has 1 to 255 bytes");
  }
  co_return co_await load(ctx, std::move(tenant), IfAbsent::create);
}

task<Result<KeyStore::DataKey>> KeyStore::new_data_key(Context ctx, std::string tenant) {
  CO_TRY(const SecretKey by, co_await tenant_key(ctx, tenant));
  DataKey out{SecretKey::random(rng_), {}};
  out.wrapped.push_back(kVersion);
  out.wrapped.push_back(static_cast<char>(static_cast<unsigned char>(tenant.size())));
  out.wrapped += tenant;
  out.wrapped += wrap_key(by, out.key, kDataKeyPurpose, rng_);
  co_return out;
}

task<Result<SecretKey>> KeyStore::open_data_key(Context ctx, std::string wrapped) {
  if (wrapped.size() < 2 || wrapped[0] != kVersion) {
    co_return Error(Errc::corrupt, "a wrapped data key is malformed or of a newer version");
  }
  const std::size_t length = static_cast<unsigned char>(wrapped[1]);
  if (length == 0 || wrapped.size() < 2 + length) co_return Error(Errc::corrupt, "a wrapped data key is malformed");
  CO_TRY(const SecretKey by, co_await load(ctx, wrapped.substr(2, length), IfAbsent::fail));
  co_return unwrap_key(by, std::string_view(wrapped).substr(2 + length), kDataKeyPurpose);
}

}  // namespace gabion::gateway::data
