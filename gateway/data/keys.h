// KeyStore is the envelope: the master key wraps each tenant's key, a tenant's key wraps the data keys of its manifests.
// Tenant keys are made on first use, live wrapped in the metadata's cluster state, and are cached unwrapped here. Data keys
// live wrapped in their manifests. Destroying a tenant's wrapped key makes all its data unreadable.
//
// A wrapped data key names its tenant, so that a manifest shared between tenants stays readable:
//   u8 version = 1 | u8 length of the tenant's name | name | 60 bytes of wrap_key(tenant key, data key)
//
// Thread-safe. `metadata` and `rng` outlive it.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "common/aead.h"
#include "common/context.h"
#include "metadata/metadata.h"

namespace gabion::gateway::data {

class KeyStore {
 public:
  KeyStore(const SecretKey& master, metadata::Metadata& metadata, Rng& rng);

  struct DataKey {
    SecretKey key;
    std::string wrapped;
  };
  task<Result<DataKey>> new_data_key(Context ctx, std::string tenant);
  // denied when the key was destroyed or wrapped by another; corrupt when `wrapped` is malformed.
  task<Result<SecretKey>> open_data_key(Context ctx, std::string wrapped);
  // The tenant's key, made when it does not exist. denied when the master key is not the one it was wrapped by: call this
  // at start, to refuse a wrong master key early.
  task<Result<SecretKey>> tenant_key(Context ctx, std::string tenant);

 private:
  enum class IfAbsent { create, fail };
  std::optional<SecretKey> cached(const std::string& tenant) const;
  void remember(const std::string& tenant, const SecretKey& key);
  task<Result<SecretKey>> load(Context ctx, std::string tenant, IfAbsent absent);
  Result<SecretKey> unwrap_tenant(const std::string& tenant, const std::string& wrapped) const;

  const SecretKey master_;
  metadata::Metadata& metadata_;
  Rng& rng_;
  mutable std::mutex mutex_;
  std::map<std::string, SecretKey> tenants_;
};

}  // namespace gabion::gateway::data
