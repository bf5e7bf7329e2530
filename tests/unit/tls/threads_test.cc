// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "proxy/tls/crypto_device.h"
#include "proxy/tls/library.h"
#include "server.h"

namespace danegate::tls::test {
namespace {

// architecture.md lifetimes rule 8: a context per worker, the device shared. Meant for the tsan preset above all.
TEST(Threads, AContextPerWorker) {
  register_crypto_device();
  const Identity identities[] = {self_signed(KeyType::P256), self_signed(KeyType::Rsa2048)};
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> workers;
    for (int worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        for (int i = 0; i < 6; ++i) {
          OpensslServer server({.identity = identities[i % 2], .tls13 = (i + worker) % 3 != 0});
          Client client(i % 2 == 0 ? SuiteList::Strict : SuiteList::Compatible);
          if (!run_handshake(client, server) || !client.channel.write("hello")) return;
          server.exchange(take(client.out.get()));
          if (server.received() == "hello") ++good;
        }
        thread_cleanup();
      });
    }
  }
  EXPECT_EQ(good, 4 * 6);
  register_crypto_device_checked_by([] { return false; });
}

}  // namespace
}  // namespace danegate::tls::test
