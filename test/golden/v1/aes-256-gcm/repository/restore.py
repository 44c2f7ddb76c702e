#!/usr/bin/env python3
"""Restores the files of a table from a Permafrost repository, for the day when Permafrost itself is gone.

    restore.py [--repository DIR] [--key FILE] list
    restore.py [--repository DIR] [--key FILE] show BACKUP
    restore.py [--repository DIR] [--key FILE] restore BACKUP DATABASE.TABLE --to DIR [--partition ID]

The repository is the directory that this file lies in, unless you say another; one in a bucket is copied to a disk first. The
key file (or a file with the passphrase) is what repository.key named; "-" reads it from standard input. Under DIR you get
schema.sql and a directory for each part: copy these into the detached/ directory of a table made with that schema, and
ALTER TABLE ... ATTACH PART each of them, in the order in which they were printed.

Everything that is read is authenticated first. The format is described in docs/format.md of Permafrost.
Needs, on Debian:  apt install python3 python3-cryptography python3-zstandard
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import unicodedata

try:
    import zstandard
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as missing:
    sys.exit(f"restore.py: {missing}. On Debian:  apt install python3-cryptography python3-zstandard")

MIB = 1 << 20
SUITES = {"none": 0, "aes-256-gcm": 1, "chacha20-poly1305": 2}
BODY, HEAD = 0, 1


class Damaged(Exception):
    pass


def must(fact, message):
    if not fact:
        raise Damaged(message)


# --- keys -----------------------------------------------------------------------------------------------------------------


def derive(key, salt, info, length=32):
    return HKDF(hashes.SHA256(), length, salt, b"permafrost " + info.encode()).derive(key)


def cipher(suite, key):
    return AESGCM(key) if suite == "aes-256-gcm" else ChaCha20Poly1305(key)


def unseal(suite, key, nonce, sealed, context):
    """Ciphertext and tag to plaintext; of suite `none`, the tag is a checksum."""
    if suite == "none":
        text, tag = sealed[:-16], sealed[-16:]
        must(hashlib.sha256(context + nonce + text).digest()[:16] == tag, "fails its checksum")
        return text
    try:
        return cipher(suite, key).decrypt(nonce, sealed, context)
    except Exception as error:
        raise Damaged("fails authentication") from error


def key_of_secret(kdf, secret):
    salt, text = base64.b64decode(kdf["salt"]), secret.strip()
    lines = [line for line in text.splitlines() if line.startswith("permafrost-key-1:")]
    if (kdf["name"] == "hkdf-sha256") != bool(lines):
        return None
    if lines:
        return derive(base64.urlsafe_b64decode(lines[0].strip()[17:] + "="), salt, "slot v1", 64)
    passphrase = unicodedata.normalize("NFC", text).encode()
    return hashlib.scrypt(passphrase, salt=salt, n=kdf["N"], r=kdf["r"], p=kdf["p"], maxmem=1 << 31, dklen=64)


class Repository:
    def __init__(self, directory, secret):
        self.directory = directory
        self.format = json.loads(self.read("format.json"))
        must(self.format.get("magic") == "permafrost-repository", "format.json is not that of a repository")
        if self.format["version"] > 1 or set(self.format["must"]["read"]) - {"segments-1", "blocks-1"}:
            raise Damaged("this repository is newer than this script: see its README.txt")
        self.suite = self.format["suite"]
        self.keys = {name: bytes(32) for name in ("list", "meta", "privateKey")}
        self.data_keys = {}
        if self.suite != "none":
            self.keys = self.open_slots(secret)

    def read(self, key, offset=0, length=None):
        path = os.path.join(self.directory, key)
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read(-1 if length is None else length)
        except OSError as error:
            raise Damaged(f"{key} cannot be read: {error.strerror}") from error
        must(length is None or len(data) == length, f"{key} is cut short")
        return data

    def open_slots(self, secret):
        must(secret, "the repository is encrypted: give its key with --key")
        names = sorted(os.listdir(os.path.join(self.directory, "keys")))
        for name in (name for name in names if name.startswith("slot-")):
            slot = self.record("slot", "keys/" + name)["slot"]
            about = json.loads(slot["about"])
            kek = key_of_secret(about["kdf"], secret)
            if kek is None:
                continue
            check = hmac.new(kek[32:], b"permafrost slot check", "sha256").digest()
            if not hmac.compare_digest(check, base64.b64decode(slot["check"])):
                continue
            plain = unseal("aes-256-gcm", kek[:32], bytes(12), base64.b64decode(slot["keys"]), slot["about"].encode())
            held = json.loads(plain)
            if held["suite"] != self.suite or held["publicKey"] != self.format["publicKey"]:
                continue
            must(held.get("privateKey"), "this key can write backups and not read their data")
            return {name: base64.b64decode(held[name]) for name in ("list", "meta", "privateKey")}
        raise Damaged("the key does not open this repository")

    def data_key(self, session):
        if self.suite == "none":
            return bytes(32)
        if session not in self.data_keys:
            wrapped = self.record("session-key", "keys/" + session)["key"]
            ephemeral, public = base64.b64decode(wrapped["ephemeral"]), base64.b64decode(self.format["publicKey"])
            private = X25519PrivateKey.from_private_bytes(self.keys["privateKey"])
            shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
            key = derive(shared, ephemeral + public, "session key v1")
            sealed, context = base64.b64decode(wrapped["wrapped"]), f"session {session}".encode()
            self.data_keys[session] = unseal("aes-256-gcm", key, bytes(12), sealed, context)
        return self.data_keys[session]

    # --- records and blocks ------------------------------------------------------------------------------------------

    def record(self, kind, key):
        data = self.read(key)
        end = data.rfind(b"\n", 0, -1) + 1
        last = b"sha256:" + hashlib.sha256(data[:end]).hexdigest().encode() + b"\n"
        must(end > 0 and data[end:] == last, f"{key} is cut short or changed")
        first, *lines = data[: end - 1].split(b"\n")
        header = json.loads(first)
        must(header["kind"] == kind and len(lines) == len(header["sections"]), f"{key} is another record")
        values = {}
        for index, ((name, reader), line) in enumerate(zip(header["sections"], lines)):
            if reader != "anyone" and self.suite != "none":
                secret = derive(self.keys[reader], base64.b64decode(header["salt"]), f"record v1 {reader}")
                context, nonce = key.encode() + b"\n" + first, bytes(8) + struct.pack(">I", index)
                line = inflate(unseal(self.suite, secret, nonce, base64.b64decode(line), context), 64 * MIB)
            values[name] = json.loads(line)
        return values

    def frames(self, kind, pack, offset, lengths, role):
        """The plaintext of frames that lie one after another: `lengths` are their stored lengths, or one number for all."""
        session, salt = bytes.fromhex(pack["session"]), bytes.fromhex(pack["salt"])
        secrets = [self.keys["list"], self.keys["meta"]] if kind == "meta" else [self.data_key(pack["session"])] * 2
        head = b"PFPACK\r\n" + bytes([1, kind == "meta", SUITES[self.suite]]) + bytes(5) + session + salt + bytes(32)
        purpose = f"{kind} pack v1"
        both = derive(secrets[0], salt, purpose + " head", 64)
        sealed_head = hmac.new(both[32:], head, "sha256").digest()
        header = head + (hashlib.sha256(head).digest() if self.suite == "none" else sealed_head)
        key = both[:32] if role == HEAD else derive(secrets[1], salt, purpose + " body")
        prefix = "meta" if kind == "meta" else "packs"
        where = f"{prefix}/{pack['id'][:2]}/{pack['id']}"
        data = self.read(where, offset, lengths)
        at = 0
        while at < len(data):
            word = data[at : at + 4]
            number = struct.unpack("<I", word)[0]
            end = at + 4 + (number & 0xFFFFFF) + 16
            must(end <= len(data), f"{where} is cut short")
            nonce = struct.pack(">Q", offset + at) + bytes(3) + bytes([role])
            try:
                plain = unseal(self.suite, key, nonce, data[at + 4 : end], header + word)
            except Damaged as error:
                raise Damaged(f"{where} {error}") from error
            yield inflate(plain, MIB) if number >> 31 else plain
            at = end

    def block(self, pointer, metas):
        index, offset, head, body = pointer
        pack = dict(zip(("id", "session", "salt"), metas[index]))
        read = lambda start, length, role: b"".join(self.frames("meta", pack, start, length, role)).decode()
        return json.loads(read(offset, head, HEAD)), read(offset + head, body, BODY)

    def contents(self, backup):
        contents = self.record("backup", f"backups/{backup}")["contents"]
        return json.loads(self.block(contents["block"], contents["metas"])[1]) if "block" in contents else contents

    def backups(self):
        return sorted(os.listdir(os.path.join(self.directory, "backups")))

    def find(self, text):
        found = [name for name in self.backups() if name.startswith(text)] if text != "latest" else self.backups()[-1:]
        must(len(found) == 1, f"no backup {text}" if not found else f"{text} fits {len(found)} backups")
        return found[0]

    def parts(self, table, metas, partition):
        listed = json.loads(self.block(table["partitions"], metas)[1])
        for entry in listed["partitions"]:
            if partition not in (None, entry["id"]):
                continue
            for pointer, _ in entry["blocks"]:
                head, body = self.block(pointer, listed["metas"])
                first, *lines = body.split("\n")
                packs = [
                    {"id": use[0], "session": head["sessions"][row[0]], "salt": row[1]}
                    for use, row in zip(head["packs"], json.loads(first)["packs"])
                ]
                yield from ((json.loads(line), packs) for line in lines)

    def stream(self, part, packs):
        for index, offset, plain, *frames in part["segments"]:
            stored = sum(frames[0]) if frames else plain + 20 * -(-plain // MIB)
            got = 0
            for piece in self.frames("data", packs[index], offset, stored, BODY):
                got += len(piece)
                yield piece
            must(got == plain, "a segment has another length than the manifest says")


def inflate(data, limit):
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    must(len(plain) <= limit, "is larger than it may be")
    return plain


# --- restore --------------------------------------------------------------------------------------------------------------


def safe(path):
    steps = path.split("/")
    must(len(steps) <= 3 and not any(step in ("", ".", "..") or "\0" in step for step in steps), f"unsafe path {path!r}")
    return path


def restore_part(repository, part, packs, directory):
    """Cut the part's stream into its files. A directory without the `.tmp` at its end is whole."""
    stream, rest = repository.stream(part, packs), b""
    for path, size in part["files"]:
        target = os.path.join(directory + ".tmp", safe(path))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "xb") as file:
            while size > 0:
                rest = rest or next(stream, None)
                must(rest, f"{path} ends early")
                file.write(rest[:size])
                size, rest = size - len(rest[:size]), rest[size:]
    must(not rest and next(stream, None) is None, "bytes follow the last file")
    os.rename(directory + ".tmp", directory)


def restore(repository, backup, name, to, partition):
    contents = repository.contents(backup)
    tables = [table for table in contents["tables"] if f"{table['database']}.{table['name']}" == name]
    must(tables, f"backup {backup} holds no table {name}")
    must(not os.path.exists(to) or not os.listdir(to), f"{to} is not empty: nothing is overwritten")
    os.makedirs(to, exist_ok=True)
    schema = json.loads(repository.block(tables[0]["schema"], contents["metas"])[1])
    with open(os.path.join(to, "schema.sql"), "x", encoding="utf-8") as file:
        file.write(schema["create"] + ";\n")
    failed = 0
    for part, packs in repository.parts(tables[0], contents["metas"], partition):
        must("/" not in safe(part["name"]), f"unsafe name {part['name']!r}")
        try:
            restore_part(repository, part, packs, os.path.join(to, part["name"]))
            print(part["name"])
        except Damaged as error:
            failed += 1
            print(f"restore.py: part {part['name']} is lost: {error}", file=sys.stderr)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", default=os.path.dirname(os.path.abspath(__file__)), metavar="DIR")
    parser.add_argument("--key", metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("show").add_argument("backup")
    one = commands.add_parser("restore")
    one.add_argument("backup")
    one.add_argument("table", metavar="DATABASE.TABLE")
    one.add_argument("--to", required=True, metavar="DIR")
    one.add_argument("--partition", metavar="ID")
    args = parser.parse_args()
    try:
        secret = args.key and (sys.stdin.read() if args.key == "-" else open(args.key, encoding="utf-8").read())
        repository = Repository(args.repository, secret)
        if args.command == "list":
            print(*repository.backups(), sep="\n")
            return 0
        backup = repository.find(args.backup)
        if args.command == "restore":
            return restore(repository, backup, args.table, args.to, args.partition)
        for table in repository.contents(backup)["tables"]:
            print(f"{table['database']}.{table['name']}  {table['parts']} parts  {table['rows']} rows  {table['bytes']} bytes")
        return 0
    except (Damaged, OSError) as error:
        print(f"restore.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
