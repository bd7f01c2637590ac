#include <catch2/catch_test_macros.hpp>

#include "gateway/data/keys.h"
#include "tests/support/fake_metadata.h"
#include "tests/support/sim.h"

namespace gabion::test {
namespace {

using gateway::data::KeyStore;

struct KeyWorld {
  sim::SimWorld world{7};
  FakeMetadata metadata{world.clock()};
  SecretKey master = SecretKey::random(world.rng());
};

TEST_CASE("a data key opens again after a restart, under the same master key") {
  KeyWorld w;
  KeyStore keys(w.master, w.metadata, w.world.rng());
  const auto made = w.world.run(keys.new_data_key(Context(), "default"));
  REQUIRE(made.has_value());
  KeyStore again(w.master, w.metadata, w.world.rng());
  const auto opened = w.world.run(again.open_data_key(Context(), made->wrapped));
  REQUIRE(opened.has_value());
  CHECK(as_text(opened->view()) == as_text(made->key.view()));
}

TEST_CASE("another master key is denied, at start and later") {
  KeyWorld w;
  KeyStore keys(w.master, w.metadata, w.world.rng());
  const auto made = w.world.run(keys.new_data_key(Context(), "default"));
  REQUIRE(made.has_value());
  KeyStore other(SecretKey::random(w.world.rng()), w.metadata, w.world.rng());
  CHECK(w.world.run(other.tenant_key(Context(), "default")).error().code == Errc::denied);
  CHECK(w.world.run(other.open_data_key(Context(), made->wrapped)).error().code == Errc::denied);
}

TEST_CASE("tenants have their own keys, and a destroyed one makes its data keys unreadable") {
  KeyWorld w;
  KeyStore keys(w.master, w.metadata, w.world.rng());
  const auto a = w.world.run(keys.new_data_key(Context(), "a"));
  const auto b = w.world.run(keys.new_data_key(Context(), "b"));
  REQUIRE((a && b));
  auto state = w.world.run(w.metadata.cluster_state(Context()));
  REQUIRE(state->state.tenant_keys_size() == 2);
  metadata::Command destroy;
  auto* set = destroy.mutable_set_cluster_state();
  set->set_expected_version(state->version);
  *set->mutable_state()->add_tenant_keys() = state->state.tenant_keys(1);
  REQUIRE(w.world.run(w.metadata.commit(Context(), destroy)).has_value());
  KeyStore again(w.master, w.metadata, w.world.rng());
  CHECK(w.world.run(again.open_data_key(Context(), a->wrapped)).error().code == Errc::denied);
  CHECK(w.world.run(again.open_data_key(Context(), b->wrapped)).has_value());
}

TEST_CASE("two who make the tenant's key at once end with the same one") {
  KeyWorld w;
  KeyStore one(w.master, w.metadata, w.world.rng());
  KeyStore two(w.master, w.metadata, w.world.rng());
  std::vector<task<Result<SecretKey>>> both;
  both.push_back(one.tenant_key(Context(), "default"));
  both.push_back(two.tenant_key(Context(), "default"));
  const auto keys = w.world.run(gather(std::move(both)));
  REQUIRE((keys[0] && keys[1]));
  CHECK(as_text(keys[0]->view()) == as_text(keys[1]->view()));
}

TEST_CASE("malformed wrapped keys are errors") {
  KeyWorld w;
  KeyStore keys(w.master, w.metadata, w.world.rng());
  const auto made = w.world.run(keys.new_data_key(Context(), "default"));
  REQUIRE(made.has_value());
  for (std::size_t n = 0; n < made->wrapped.size(); ++n) {
    CHECK(!w.world.run(keys.open_data_key(Context(), made->wrapped.substr(0, n))).has_value());
    std::string flipped = made->wrapped;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
    CHECK(!w.world.run(keys.open_data_key(Context(), flipped)).has_value());
  }
  CHECK(w.world.run(keys.tenant_key(Context(), "")).error().code == Errc::invalid);
  CHECK(w.world.run(keys.tenant_key(Context(), std::string(256, 'x'))).error().code == Errc::invalid);
}

}  // namespace
}  // namespace gabion::test
