// SPDX-License-Identifier: GPL-2.0-or-later
// Handshakes and bulk of the TLS channel against OpenSSL in the same process; CPU time of one thread.

#include <fmt/core.h>
#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <ctime>
#include <optional>
#include <vector>

#include "proxy/tls/crypto_device.h"
#include "server.h"

namespace danegate::tls::test {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// CPU of our side of one full handshake, the server's work left out.
double handshake_us(const ServerOptions& options, int rounds) {
  auto context = std::move(Context::create({}).value());
  double spent = 0;
  for (int i = 0; i < rounds; ++i) {
    OpensslServer server(options);
    const auto in = make_buffer();
    const auto out = make_buffer();
    const double start = cpu_seconds();
    auto channel = std::make_unique<ClientChannel>(*context, SuiteList::Strict, "mx.example.org", in.get(), out.get());
    auto state = channel->handshake();
    spent += cpu_seconds() - start;
    while (state && *state == ClientChannel::Handshake::InProgress) {
      put(in.get(), server.exchange(take(out.get())));
      const double again = cpu_seconds();
      state = channel->handshake();
      spent += cpu_seconds() - again;
    }
    if (!state) {
      fmt::print("handshake failed: {}\n", state.error().why);
      return 0;
    }
    const double end = cpu_seconds();
    channel.reset();
    spent += cpu_seconds() - end;
  }
  return spent * 1e6 / rounds;
}

/// CPU of our side of one resumed handshake, with the session's way in and out; 0 if one was not resumed.
double resumed_us(const ServerOptions& options, int rounds) {
  auto context = std::move(Context::create({}).value());
  OpensslServer first(options);
  std::optional<ResumableSession> session;
  double spent = 0;
  for (int i = 0; i <= rounds; ++i) {
    OpensslServer server(first);
    const auto in = make_buffer();
    const auto out = make_buffer();
    const auto plain = make_buffer();
    double start = cpu_seconds();
    auto channel = std::make_unique<ClientChannel>(*context, SuiteList::Strict, "mx.example.org", in.get(), out.get());
    if (session) channel->offer(*session);
    auto state = channel->handshake();
    double round = cpu_seconds() - start;
    while (state && *state == ClientChannel::Handshake::InProgress) {
      put(in.get(), server.exchange(take(out.get())));
      start = cpu_seconds();
      state = channel->handshake();
      round += cpu_seconds() - start;
    }
    if (!state || channel->info().resumed != session.has_value()) return 0;
    put(in.get(), server.exchange(take(out.get())));  // tickets
    start = cpu_seconds();
    if (!channel->read(plain.get(), SIZE_MAX)) return 0;
    session = channel->session();
    channel.reset();
    round += cpu_seconds() - start;
    if (i > 0) spent += round;  // the first is the full one
  }
  return spent * 1e6 / rounds;
}

/// The same for an OpenSSL client, for the ratio.
double openssl_handshake_us(const ServerOptions& options, int rounds) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  double spent = 0;
  for (int i = 0; i < rounds; ++i) {
    OpensslServer server(options);
    const double start = cpu_seconds();
    SSL* ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_tlsext_host_name(ssl, "mx.example.org");
    SSL_set_connect_state(ssl);
    int done = SSL_do_handshake(ssl);
    spent += cpu_seconds() - start;
    while (done != 1) {
      std::string flight(65536, '\0');
      const int length = BIO_read(SSL_get_wbio(ssl), flight.data(), static_cast<int>(flight.size()));
      const std::string answer = server.exchange({flight.data(), static_cast<std::size_t>(std::max(length, 0))});
      if (answer.empty()) break;
      const double again = cpu_seconds();
      BIO_write(SSL_get_rbio(ssl), answer.data(), static_cast<int>(answer.size()));
      done = SSL_do_handshake(ssl);
      spent += cpu_seconds() - again;
    }
    const double end = cpu_seconds();
    SSL_free(ssl);
    spent += cpu_seconds() - end;
  }
  SSL_CTX_free(context);
  return spent * 1e6 / rounds;
}

struct Bulk {
  double write_mb_s = 0;
  double read_mb_s = 0;
};

Bulk bulk(const char* suite, int rounds) {
  OpensslServer server({.identity = self_signed(KeyType::P256), .ciphers13 = suite});
  Client client;
  if (!run_handshake(client, server)) return {};
  server.exchange(take(client.out.get()));
  const std::string block(1 << 20, 'x');
  const auto plain = make_buffer();
  double writing = 0;
  double reading = 0;
  for (int i = 0; i < rounds; ++i) {
    const double start = cpu_seconds();
    if (!client.channel.write(block)) return {};
    writing += cpu_seconds() - start;
    evbuffer_drain(client.out.get(), evbuffer_get_length(client.out.get()));
    put(client.in.get(), server.send(block));
    const double again = cpu_seconds();
    if (!client.channel.read(plain.get(), SIZE_MAX)) return {};
    reading += cpu_seconds() - again;
    evbuffer_drain(plain.get(), evbuffer_get_length(plain.get()));
  }
  return {rounds * 1.048576 / writing, rounds * 1.048576 / reading};
}

/// The ceiling: EVP alone over 16 KiB records, in place in a warm buffer.
double evp_mb_s(int rounds) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  std::vector<unsigned char> in(16384, 'x'), out(16384);
  unsigned char key[16] = {1}, nonce[12] = {2}, tag[16], aad[5] = {23, 3, 3, 64, 17};
  EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nullptr, key, nonce);
  const double start = cpu_seconds();
  for (int i = 0; i < rounds * 64; ++i) {
    int length = 0;
    EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce);
    EVP_EncryptUpdate(context, nullptr, &length, aad, sizeof aad);
    EVP_EncryptUpdate(context, out.data(), &length, in.data(), static_cast<int>(in.size()));
    EVP_EncryptFinal_ex(context, out.data(), &length);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag);
  }
  const double spent = cpu_seconds() - start;
  EVP_CIPHER_CTX_free(context);
  return rounds * 1.048576 / spent;
}

/// OpenSSL's own TLS writing the same records into memory.
double openssl_write_mb_s(int rounds) {
  OpensslServer server({.identity = self_signed(KeyType::P256), .ciphers13 = "TLS_AES_128_GCM_SHA256"});
  Client client;
  if (!run_handshake(client, server)) return 0;
  server.exchange(take(client.out.get()));
  const std::string block(1 << 20, 'x');
  double spent = 0;
  for (int i = 0; i < rounds; ++i) {
    const double start = cpu_seconds();
    const std::string cipher = server.send(block);
    spent += cpu_seconds() - start;
  }
  return rounds * 1.048576 / spent;
}

double channel_kib() {
  constexpr int kChannels = 50;
  const Identity identity = self_signed(KeyType::P256);
  auto context = std::move(Context::create({}).value());
  std::vector<std::unique_ptr<ClientChannel>> channels;
  std::vector<Buffer> buffers;
  const auto before = mallinfo2().uordblks;
  for (int i = 0; i < kChannels; ++i) {
    OpensslServer server({.identity = identity});
    buffers.push_back(make_buffer());
    buffers.push_back(make_buffer());
    evbuffer* in = buffers[buffers.size() - 2].get();
    evbuffer* out = buffers.back().get();
    channels.push_back(std::make_unique<ClientChannel>(*context, SuiteList::Strict, "mx.example.org", in, out));
    auto state = channels.back()->handshake();
    while (state && *state == ClientChannel::Handshake::InProgress) {
      put(in, server.exchange(take(out)));
      state = channels.back()->handshake();
    }
    take(out);
  }
  return static_cast<double>(mallinfo2().uordblks - before) / 1024 / kChannels;
}

void handshakes(const char* title) {
  for (const auto& [name, key, tls13] : {std::tuple{"TLS 1.3, P-256 leaf", KeyType::P256, true},
                                         std::tuple{"TLS 1.3, RSA-2048 leaf", KeyType::Rsa2048, true},
                                         std::tuple{"TLS 1.2, P-256 leaf", KeyType::P256, false},
                                         std::tuple{"TLS 1.2, RSA-2048 leaf", KeyType::Rsa2048, false}}) {
    const ServerOptions options{.identity = self_signed(key), .tls13 = tls13};
    const double ours = handshake_us(options, 200);
    const double theirs = openssl_handshake_us(options, 200);
    const double resumed = resumed_us(options, 200);
    fmt::print(
        "{:18} {:24} {:7.0f} us CPU, OpenSSL client {:5.0f} us, ratio {:.2f}; resumed {:5.0f} us, ratio to the full "
        "one "
        "{:.2f}\n",
        title, name, ours, theirs, ours / theirs, resumed, resumed / ours);
  }
}

void run() {
  handshakes("software:");
  const auto soft = bulk("TLS_AES_128_GCM_SHA256", 8);
  fmt::print("{}\n", register_crypto_device());
  handshakes("device:");
  const double evp = evp_mb_s(200);
  const auto aes = bulk("TLS_AES_128_GCM_SHA256", 200);
  const auto chacha = bulk("TLS_CHACHA20_POLY1305_SHA256", 30);
  fmt::print("AES-128-GCM: EVP alone {:.0f} MB/s, OpenSSL's TLS write {:.0f}\n", evp, openssl_write_mb_s(200));
  fmt::print("channel AES-128-GCM by device: write {:.0f} MB/s (ratio to EVP {:.2f}), read {:.0f} MB/s\n",
             aes.write_mb_s, aes.write_mb_s / evp, aes.read_mb_s);
  fmt::print("channel AES-128-GCM in software: write {:.0f} MB/s (ratio to EVP {:.2f}), read {:.0f} MB/s\n",
             soft.write_mb_s, soft.write_mb_s / evp, soft.read_mb_s);
  fmt::print("channel ChaCha20-Poly1305: write {:.0f} MB/s, read {:.0f} MB/s\n", chacha.write_mb_s, chacha.read_mb_s);
  fmt::print("an established channel holds {:.0f} KiB\n", channel_kib());
}

}  // namespace
}  // namespace danegate::tls::test

int main() {
  danegate::tls::test::run();
}
