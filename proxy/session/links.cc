// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/links.h"

#include <algorithm>
#include <utility>

namespace danegate::session {

namespace {

constexpr std::chrono::seconds kPartingTime{5};
constexpr std::size_t kMaxPartings = 1024;
/// Decrypted octets handed over in one turn: replies are small, a flood is not read faster than it is judged.
constexpr std::size_t kPlainChunk = 64 * 1024;

}  // namespace

class Partings::Entry final : private net::StreamHandler {
 public:
  Entry(Partings& owner, std::unique_ptr<net::Stream> stream)
      : owner_(owner), stream_(std::move(stream)), timer_(owner.loop_, [this] { leave(); }) {
    stream_->set_handler(*this);
    stream_->want_input(true);
    stream_->finish();
    timer_.set(kPartingTime);
  }

  bool unsent() const { return net::length(stream_->output()) > 0; }

 private:
  void on_connected() override {}
  void on_input() override {
    net::drain(stream_->input(), net::length(stream_->input()));
    stream_->want_input(true);
  }
  void on_drained() override {
    if (ended_) leave();
  }
  /// The end of what the other side sends is no reason to keep our last words from it.
  void on_closed(const std::string&, bool orderly) override {
    if (!orderly || !unsent()) return leave();
    ended_ = true;
  }
  void leave() {
    owner_.entries_.remove_if([this](const auto& entry) { return entry.get() == this; });  // destroys this
  }

  Partings& owner_;
  std::unique_ptr<net::Stream> stream_;
  net::Timer timer_;
  bool ended_ = false;  ///< the other side sends no more
};

Partings::Partings(net::EventLoop& loop) : loop_(loop) {}

Partings::~Partings() = default;

bool Partings::unsent() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const auto& entry) { return entry->unsent(); });
}

void Partings::add(std::unique_ptr<net::Stream> stream) {
  if (entries_.size() >= kMaxPartings) entries_.pop_front();
  entries_.push_back(std::make_unique<Entry>(*this, std::move(stream)));
}

ClientLink::ClientLink(net::EventLoop& loop, Partings& partings, int fd, std::size_t limit, LinkEvents& events)
    : partings_(partings),
      events_(events),
      stream_(std::make_unique<net::Stream>(loop, fd, static_cast<net::StreamHandler&>(*this))) {
  stream_->set_read_limit(limit);
}

void ClientLink::send(std::string_view octets) {
  if (!stream_) return;
  net::append(stream_->output(), octets);
  stream_->flush();
}

void ClientLink::acknowledge() {
  if (stream_) stream_->acknowledge();
}

void ClientLink::want_input(bool wanted) {
  if (stream_) stream_->want_input(wanted);
}

void ClientLink::close() {
  if (stream_) partings_.add(std::move(stream_));
}

void ClientLink::abort() {
  if (stream_) stream_->abort();
  stream_.reset();
}

TcpPeerLink::TcpPeerLink(net::EventLoop& loop, Partings& partings, tls::Context& tls, const net::Endpoint& destination,
                         const std::optional<dane::IpAddress>& source, std::uint32_t mark, PeerEvents& events,
                         bool transparent)
    : partings_(partings),
      tls_context_(tls),
      events_(&events),
      later_(loop, [this] { on_later(); }),
      stream_(std::make_unique<net::Stream>(loop, destination, source, mark, static_cast<net::StreamHandler&>(*this),
                                            transparent)) {}

evbuffer* TcpPeerLink::input() {
  return plain_ ? plain_.get() : stream_->input();
}

bool TcpPeerLink::write(std::string_view octets) {
  if (!stream_ || octets.empty()) return false;
  if (!tls_) {
    net::append(stream_->output(), octets);
  } else if (const auto written = tls_->write(octets); !written) {
    fail_later(written.error().why);
    return false;
  }
  return true;
}

void TcpPeerLink::send(std::string_view octets) {
  if (write(octets)) stream_->flush();
}

/// In one write with close_notify.
void TcpPeerLink::part(std::string_view farewell) {
  write(farewell);
  close();
}

void TcpPeerLink::acknowledge() {
  if (stream_) stream_->acknowledge();
}

void TcpPeerLink::want_input(bool wanted) {
  if (stream_) stream_->want_input(wanted);
}

void TcpPeerLink::close() {
  if (!stream_) return;
  give_session();
  if (tls_ && !handshaking_) tls_->close();
  tls_.reset();
  partings_.add(std::move(stream_));
}

void TcpPeerLink::abort() {
  if (!stream_) return;
  stream_->abort();
  give_session();
  tls_.reset();
  stream_.reset();
}

/// At the end: by then the tickets have come.
void TcpPeerLink::give_session() {
  const auto keep = std::exchange(keep_session_, nullptr);
  if (!keep || !tls_) return;
  if (auto session = tls_->session()) keep(std::move(*session));
}

void TcpPeerLink::lose_after(std::chrono::milliseconds unacknowledged) {
  if (stream_) stream_->lose_after(unacknowledged);
}

bool TcpPeerLink::quiet() {
  if (!stream_ || !failure_.empty() || !stream_->quiet()) return false;
  return !plain_ || (net::length(plain_.get()) == 0 && !tls_->pending());
}

void TcpPeerLink::start_tls(const std::string& server_name, tls::SuiteList suites) {
  plain_ = net::make_buffer();
  tls_ = std::make_unique<tls::ClientChannel>(tls_context_, suites, server_name, stream_->input(), stream_->output());
  if (offered_) tls_->offer(*offered_);
  offered_.reset();
  handshaking_ = true;
  later_.set(std::chrono::milliseconds(0));  // the outcome is never told from here
}

void TcpPeerLink::on_later() {
  if (!stream_) return;
  if (!failure_.empty()) return events_->on_closed(failure_);
  if (handshaking_) return handshake();
  decrypt();
}

void TcpPeerLink::on_input() {
  if (!tls_) return events_->on_input();
  if (handshaking_) return handshake();
  decrypt();
}

void TcpPeerLink::handshake() {
  const auto progress = tls_->handshake();
  stream_->want_input(true);
  if (progress && *progress == tls::ClientChannel::Handshake::Done) {
    handshaking_ = false;
    // Our Finished goes out together with what is said behind it, or else in a turn of its own; and so is read what
    // came together with the peer's last flight (tickets).
    later_.set(std::chrono::milliseconds(0));
    return events_->on_tls(TlsOutcome{tls_->chain(), tls_->info()});
  }
  if (net::length(stream_->output()) == 0) stream_->acknowledge();  // a part of the peer's flight
  stream_->flush();
  if (!progress) events_->on_tls(std::unexpected(progress.error()));
}

void TcpPeerLink::decrypt() {
  const std::size_t before = net::length(plain_.get());
  const bool heard = net::length(stream_->input()) > 0;
  const auto state = tls_->read(plain_.get(), before + kPlainChunk);
  stream_->flush();  // a KeyUpdate is answered inside read
  stream_->want_input(true);
  if (!state) {
    fail_later(state.error().why);
  } else if (*state == tls::ClientChannel::ReadState::Closed) {
    fail_later("the peer closed the TLS session");
  } else if (tls_->pending()) {
    later_.set(std::chrono::milliseconds(0));
  }
  if (net::length(plain_.get()) > before) return events_->on_input();
  // A part of a record, or the tickets that precede the reply to what went out with our Finished.
  if (heard) stream_->acknowledge();
}

void TcpPeerLink::fail_later(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  later_.set(std::chrono::milliseconds(0));
}

void TcpPeerLink::on_closed(const std::string& why, bool orderly) {
  if (!failure_.empty()) return events_->on_closed(failure_);
  // An end of the stream without close_notify is no end of a reply: the channel counts as lost either way.
  events_->on_closed(orderly ? "the peer closed the connection" : why);
}

}  // namespace danegate::session
