# SPDX-License-Identifier: GPL-2.0-or-later
"""A TLS server that presents any octets as its certificate: wolfSSL, which reads some certificates as nobody else does."""

import ctypes
import ctypes.util

ASN1 = 2  # WOLFSSL_FILETYPE_ASN1
OK = 1


class Error(OSError):
    """The library says no."""


def library():
    lib = ctypes.CDLL(ctypes.util.find_library("wolfssl") or "libwolfssl.so.35")
    for name in ("wolfTLSv1_3_server_method", "wolfSSL_CTX_new", "wolfSSL_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    for name in ("wolfSSL_get_version", "wolfSSL_get_cipher"):
        getattr(lib, name).restype = ctypes.c_char_p
    lib.wolfSSL_Init()
    return lib


class Channel:
    """What the scripted MX uses of ssl.SSLSocket."""

    def __init__(self, sock, cert, key):
        self.sock = sock
        sock.settimeout(None)  # the library works on the descriptor, which must block
        self.lib = library()
        self.ctx = ctypes.c_void_p(self.lib.wolfSSL_CTX_new(ctypes.c_void_p(self.lib.wolfTLSv1_3_server_method())))
        for path, load in ((cert, self.lib.wolfSSL_CTX_use_certificate_buffer),
                           (key, self.lib.wolfSSL_CTX_use_PrivateKey_buffer)):
            with open(path, "rb") as file:
                data = file.read()
            status = load(self.ctx, data, ctypes.c_long(len(data)), ASN1)
            if status != OK:
                raise Error(f"wolfSSL does not take {path}: {status}")
        self.ssl = ctypes.c_void_p(self.lib.wolfSSL_new(self.ctx))
        self.lib.wolfSSL_set_fd(self.ssl, sock.fileno())
        if self.lib.wolfSSL_accept(self.ssl) != OK:
            raise Error(f"wolfSSL_accept: {self.lib.wolfSSL_get_error(self.ssl, 0)}")

    def recv(self, size):
        buffer = ctypes.create_string_buffer(size)
        count = self.lib.wolfSSL_read(self.ssl, buffer, size)
        return buffer.raw[:count] if count > 0 else b""

    def sendall(self, data):
        if data and self.lib.wolfSSL_write(self.ssl, data, len(data)) != len(data):
            raise Error("wolfSSL_write")

    def version(self):
        return self.lib.wolfSSL_get_version(self.ssl).decode()

    def cipher(self):
        return (self.lib.wolfSSL_get_cipher(self.ssl).decode(),)

    def setsockopt(self, *args):
        self.sock.setsockopt(*args)

    def close(self):
        self.lib.wolfSSL_free(self.ssl)
        self.lib.wolfSSL_CTX_free(self.ctx)
        self.sock.close()
