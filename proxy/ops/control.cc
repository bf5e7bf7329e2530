// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/control.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <list>
#include <string_view>
#include <utility>

#include "proxy/ops/acceptor.h"
#include "proxy/ops/control_path.h"
#include "proxy/ops/handles.h"

namespace danegate::ops {

namespace {

constexpr std::size_t kMaxClients = 8;
constexpr std::size_t kMaxRequest = 64;
constexpr timeval kPatience{5, 0};

}  // namespace

class ControlServer::Impl {
 public:
  Impl(event_base* base, std::string path, OwnedFd listener, std::function<std::string()> status)
      : base_(base),
        path_(std::move(path)),
        status_(std::move(status)),
        acceptor_(std::move(listener), [this](OwnedFd fd) { serve(std::move(fd)); }) {
    if (lstat(path_.c_str(), &identity_) != 0) identity_ = {};
  }

  ~Impl() {
    struct stat now{};
    if (lstat(path_.c_str(), &now) == 0 && now.st_ino == identity_.st_ino && now.st_dev == identity_.st_dev) {
      unlink(path_.c_str());
    }
  }

  bool listen() { return acceptor_.start(base_); }

 private:
  struct Client {
    Impl* server = nullptr;
    std::list<Client>::iterator self;
    BuffereventHandle channel;
    bool answered = false;
  };

  void serve(OwnedFd fd) {
    // Over the limit the client is dropped and may ask again: the socket is for people, not for load.
    if (clients_.size() >= kMaxClients) return;
    clients_.emplace_front();
    Client& client = clients_.front();
    client.server = this;
    client.self = clients_.begin();
    client.channel.reset(bufferevent_socket_new(base_, fd.get(), BEV_OPT_CLOSE_ON_FREE));
    if (client.channel == nullptr) {
      clients_.pop_front();
      return;
    }
    fd.release();
    bufferevent_setcb(client.channel.get(), on_read, on_written, on_event, &client);
    bufferevent_set_timeouts(client.channel.get(), &kPatience, &kPatience);
    bufferevent_setwatermark(client.channel.get(), EV_READ, 0, kMaxRequest);
    bufferevent_enable(client.channel.get(), EV_READ | EV_WRITE);
  }

  static void close_client(Client* client) { client->server->clients_.erase(client->self); }

  static void on_read(bufferevent* channel, void* self) {
    auto* client = static_cast<Client*>(self);
    evbuffer* input = bufferevent_get_input(channel);
    std::size_t length = 0;
    const std::unique_ptr<char, decltype(&free)> line(evbuffer_readln(input, &length, EVBUFFER_EOL_LF), free);
    if (line == nullptr) {
      if (evbuffer_get_length(input) >= kMaxRequest) close_client(client);
      return;
    }
    const std::string_view request(line.get(), length);
    std::string answer =
        request == "status" ? client->server->status_() : R"({"error":"unknown request; there is: status"})";
    answer += '\n';
    client->answered = true;
    bufferevent_disable(channel, EV_READ);
    if (bufferevent_write(channel, answer.data(), answer.size()) != 0) close_client(client);
  }

  static void on_written(bufferevent*, void* self) {
    auto* client = static_cast<Client*>(self);
    if (client->answered) close_client(client);
  }

  static void on_event(bufferevent*, short, void* self) { close_client(static_cast<Client*>(self)); }

  event_base* base_;
  std::string path_;
  std::function<std::string()> status_;
  struct stat identity_{};
  Acceptor acceptor_;
  std::list<Client> clients_;
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlServer::~ControlServer() = default;

std::expected<std::unique_ptr<ControlServer>, std::string> ControlServer::start(event_base* base,
                                                                                const std::string& path,
                                                                                std::function<std::string()> status,
                                                                                std::optional<ControlOwner> owner) {
  auto listener = bind_control_socket(path, owner);
  if (!listener) return std::unexpected(std::move(listener.error()));
  auto impl = std::make_unique<Impl>(base, path, *std::move(listener), std::move(status));
  if (!impl->listen()) return std::unexpected("cannot watch the control socket; is memory exhausted?");
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

}  // namespace danegate::ops
