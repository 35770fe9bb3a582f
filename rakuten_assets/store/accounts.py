"""Accounts: who may come in, and who is in."""

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

from rakuten_assets.store import audit
from rakuten_assets.store.base import Verbs, clean, must_be, page
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import NOBODY, Actor, Language, Page, Role, Session, User
from rakuten_assets.store.tables import SessionRow, SignInFailure
from rakuten_assets.store.tables import User as UserRow

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# After so many failures in a row nobody comes in with this e-mail for a while, not even with the right password.
ATTEMPTS, LOCKED = 5, timedelta(minutes=15)

# NIST SP 800-63B asks for length, not for kinds of characters; hashing much longer ones is a gift to attackers.
LEAST, MOST = 10, 200

SEEN = timedelta(minutes=1)

# A screen of sessions holds no more than this.
LISTED_SESSIONS = 50

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


class Accounts(Verbs):
    """Sign-in, sessions, and the administration of users."""

    def create(self, actor: Actor, email: str, name: str, password: str, role: Role) -> User:
        """A new account; `actor` is an administrator, or the platform for the first one."""
        must_be(actor, "admin", "system")
        email = _email(email)
        if not EMAIL.fullmatch(email) or role not in ("seller", "admin"):
            raise Refused("invalid", "bad_email")
        hashed = _hash(_strong(password))
        row = UserRow(email=email, name=clean(name, 100) or email, password_hash=hashed, role=role)
        try:
            with self._transaction() as session:
                session.add(row)
                session.flush()
                audit.write(session, actor, "user_created", "user", row.id, role=role)
                session.refresh(row)
        except IntegrityError as error:
            raise Refused("conflict", "email_taken") from error
        return _user(row)

    def sign_in(
        self, email: str, password: str, kind: Literal["browser", "api"] = "browser", device: str = "", hours: int = 12
    ) -> tuple[str, Actor]:
        """A new session's token, and who came in.

        Neither what is answered nor how long it takes says whether there is such an account.
        """
        email, hashed_email = _email(email), hashlib.sha256(_email(email).encode("utf-8", "replace")).hexdigest()
        self._count_attempt(hashed_email)
        with self._transaction() as session:
            user = session.scalar(select(UserRow).where(UserRow.email == email)) if "\0" not in email else None
        if not _verified(user.password_hash if user else _nobody(), password) or user is None:
            raise self._failed(user, hashed_email)
        if user.blocked_at:
            with self._transaction() as session:
                audit.write(session, _actor(user), "sign_in_blocked", "user", user.id)
            raise Refused("unauthenticated", "blocked", reason=user.blocked_reason)
        return self._opened(user, password, hashed_email, kind, device, hours)

    def _count_attempt(self, hashed_email: str) -> None:
        """Count before the password is looked at, so that many guesses at once are no way around."""
        now = datetime.now(UTC)
        row = insert(SignInFailure).values(email_hash=hashed_email, count=1, last_at=now)
        again = SignInFailure.last_at > now - LOCKED
        counted = row.on_conflict_do_update(
            index_elements=[SignInFailure.email_hash],
            set_={
                "count": case((again, SignInFailure.count + 1), else_=1),
                # Tries while it is locked do not lock it for longer.
                "last_at": case((again & (SignInFailure.count >= ATTEMPTS), SignInFailure.last_at), else_=now),
            },
        ).returning(SignInFailure.count, SignInFailure.last_at)
        with self._transaction() as session:
            tried, last_at = session.execute(counted).one()
        if tried > ATTEMPTS:
            raise _locked(last_at)

    def _failed(self, user: UserRow | None, hashed_email: str) -> Refused:
        with self._transaction() as session:
            audit.write(session, _actor(user) if user else NOBODY, "sign_in_failed", "user", user.id if user else "")
            row = session.get(SignInFailure, hashed_email)
        if row and row.count >= ATTEMPTS:
            return _locked(row.last_at)
        return Refused("unauthenticated", "wrong_credentials")

    def _opened(
        self, user: UserRow, password: str, hashed_email: str, kind: str, device: str, hours: int
    ) -> tuple[str, Actor]:
        token = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        with self._transaction() as session:
            session.execute(delete(SignInFailure).where(SignInFailure.email_hash == hashed_email))
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            expires = now + timedelta(hours=hours)
            session.add(
                SessionRow(id=_digest(token), user_id=user.id, kind=kind, device=device[:200], expires_at=expires)
            )
            changes: dict[str, object] = {"last_sign_in_at": now}
            if _hasher().check_needs_rehash(user.password_hash):
                changes["password_hash"] = _hash(password)
            session.execute(update(UserRow).where(UserRow.id == user.id).values(**changes))
            audit.write(session, _actor(user), "signed_in", "user", user.id, kind=kind)
        return token, _actor(user, _digest(token))

    def actor(self, token: str) -> Actor | None:
        """Who holds this token; None where it has ended, or its account is blocked."""
        now = datetime.now(UTC)
        with self._transaction() as session:
            query = select(SessionRow, UserRow).join(UserRow, UserRow.id == SessionRow.user_id)
            found = session.execute(
                query.where(SessionRow.id == _digest(token), SessionRow.expires_at > now, UserRow.blocked_at.is_(None))
            ).first()
            if found is None:
                return None
            if now - found[0].last_seen_at > SEEN:
                found[0].last_seen_at = now
        return _actor(found[1], found[0].id)

    def sign_out(self, token: str) -> None:
        """End one session."""
        with self._transaction() as session:
            user = session.scalar(
                delete(SessionRow).where(SessionRow.id == _digest(token)).returning(SessionRow.user_id)
            )
            if user:
                row = session.get_one(UserRow, user)
                audit.write(session, _actor(row), "signed_out", "user", user)

    def sign_out_everywhere(self, actor: Actor, keep_this: bool = False) -> int:
        """End all sessions of the actor, or all others; the result is how many."""
        must_be(actor, "seller", "admin")
        with self._transaction() as session:
            ended = _end_sessions(session, actor.user_id or 0, actor.session if keep_this else None)
            audit.write(session, actor, "signed_out_everywhere", "user", actor.user_id, sessions=ended)
        return ended

    def sessions(self, actor: Actor) -> list[Session]:
        """Where the actor is signed in, the last used first."""
        query = select(SessionRow).where(SessionRow.user_id == actor.user_id, SessionRow.expires_at > func.now())
        with self._transaction() as session:
            rows = session.scalars(query.order_by(SessionRow.last_seen_at.desc()).limit(LISTED_SESSIONS))
            return [
                Session(row.id, row.kind, row.created_at, row.last_seen_at, row.expires_at, row.device)  # type: ignore[arg-type]
                for row in rows
            ]

    def change_password(self, actor: Actor, old: str, new: str) -> None:
        """Another password; all other sessions end."""
        must_be(actor, "seller", "admin")
        with self._transaction() as session:
            stored = session.get_one(UserRow, actor.user_id).password_hash
        if not _verified(stored, old):
            raise Refused("invalid", "wrong_password")
        hashed = _hash(_strong(new))
        with self._transaction() as session:
            session.execute(update(UserRow).where(UserRow.id == actor.user_id).values(password_hash=hashed))
            _end_sessions(session, actor.user_id or 0, actor.session)
            audit.write(session, actor, "password_changed", "user", actor.user_id)

    def set_language(self, actor: Actor, language: Language) -> None:
        """The language that the actor reads."""
        if language not in ("fr", "en"):
            raise Refused("invalid", "bad_language")
        with self._transaction() as session:
            session.execute(update(UserRow).where(UserRow.id == actor.user_id).values(language=language))

    def users(self, actor: Actor, text: str = "", cursor: str | None = None, size: int = 25) -> Page[User]:
        """Accounts whose e-mail or name holds `text`, the newest first."""
        must_be(actor, "admin")
        query = select(UserRow.id, UserRow)
        if text := clean(text, 200):
            query = query.where(
                UserRow.email.icontains(text, autoescape=True) | UserRow.name.icontains(text, autoescape=True)
            )
        with self._transaction() as session:
            rows, ends = page(session, query, [UserRow.id], cursor, size)
            return Page([_user(row[1]) for row in rows], **ends)

    def block(self, actor: Actor, user_id: int, reason: str) -> None:
        """Let nobody in with this account any more, and end its sessions at once."""
        reason = clean(reason, 500)
        with self._transaction() as session:
            user = self._administered(session, actor, user_id)
            user.blocked_at, user.blocked_reason = datetime.now(UTC), reason
            _end_sessions(session, user.id)
            audit.write(session, actor, "user_blocked", "user", user.id, reason=reason or None)

    def unblock(self, actor: Actor, user_id: int) -> None:
        """Let the account in again; a lockout after failures ends as well."""
        with self._transaction() as session:
            user = self._administered(session, actor, user_id)
            user.blocked_at, user.blocked_reason = None, ""
            hashed = hashlib.sha256(user.email.encode()).hexdigest()
            session.execute(delete(SignInFailure).where(SignInFailure.email_hash == hashed))
            audit.write(session, actor, "user_unblocked", "user", user.id)

    def set_role(self, actor: Actor, user_id: int, role: Role) -> None:
        """Another role, from the next action on."""
        if role not in ("seller", "admin"):
            raise Refused("invalid", "bad_role")
        with self._transaction() as session:
            user = self._administered(session, actor, user_id)
            before, user.role = user.role, role
            audit.write(session, actor, "role_changed", "user", user.id, before=before, after=role)

    def reset_password(self, actor: Actor, user_id: int) -> str:
        """A new random password, to be handed over; all sessions of the account end."""
        password = secrets.token_urlsafe(12)
        hashed = _hash(password)
        with self._transaction() as session:
            user = self._administered(session, actor, user_id, oneself=True)
            user.password_hash = hashed
            _end_sessions(session, user.id)
            audit.write(session, actor, "password_reset", "user", user.id)
        return password

    def find(self, email: str) -> User | None:
        """The account with this e-mail."""
        with self._transaction() as session:
            row = session.scalar(select(UserRow).where(UserRow.email == _email(email)))
            return _user(row) if row else None

    @staticmethod
    def _administered(session: Transaction, actor: Actor, user_id: int, oneself: bool = False) -> UserRow:
        """The account, locked; administrators do not lock themselves out."""
        must_be(actor, "admin", "system")
        user = session.get(UserRow, user_id, with_for_update=True)
        if user is None:
            raise Refused("not_found", "user_not_found", id=user_id)
        if user.id == actor.user_id and not oneself:
            raise Refused("conflict", "not_oneself")
        return user


def _locked(last_at: datetime) -> Refused:
    left = last_at + LOCKED - datetime.now(UTC)
    return Refused("unauthenticated", "locked", minutes=max(1, -int(-left.total_seconds() // 60)))


def _end_sessions(session: Transaction, user_id: int, but: str | None = None) -> int:
    ended = delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.id != (but or ""))
    return len(session.scalars(ended.returning(SessionRow.id)).all())


def _email(email: str) -> str:
    return email.strip().lower()


def _strong(password: str) -> str:
    if not LEAST <= len(password) <= MOST:
        raise Refused("invalid", "weak_password", least=LEAST, most=MOST)
    return password


@cache
def _hasher() -> "PasswordHasher":
    """Argon2id (RFC 9106) with the library's parameters for interactive use."""
    from argon2 import PasswordHasher

    return PasswordHasher()


def _hash(password: str) -> str:
    return _hasher().hash(password.encode("utf-8", "replace"))


@cache
def _nobody() -> str:
    """What the password of an account that does not exist is compared with, so that it takes as long."""
    return _hash(secrets.token_urlsafe(32))


def _verified(hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed, password[: MOST + 1].encode("utf-8", "replace"))
    except (VerificationError, InvalidHashError):
        return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _actor(user: UserRow, session: str | None = None) -> Actor:
    return Actor(user.id, user.email, user.name, user.role, user.language, session)  # type: ignore[arg-type]


def _user(row: UserRow) -> User:
    return User(
        row.id,
        row.email,
        row.name,
        row.role,  # type: ignore[arg-type]
        row.language,  # type: ignore[arg-type]
        row.created_at,
        row.blocked_at,
        row.blocked_reason,
        row.last_sign_in_at,
    )
