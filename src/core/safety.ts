// Every constant that safety or its cost depends on, each with its sentence. None of them decides whether data is lost: that
// is the handshake's (core/commit-steps.ts), which reads no clock.

const HOUR = 3600

/** Seconds. After this silence a writer counts as dead, and anyone may revoke what it announced; it loses work, never data. */
export const SESSION_TTL = 24 * HOUR
/** Seconds. Younger packs are not offered for condemnation: it saves a running writer from storing them again. */
export const MIN_AGE = 24 * HOUR
/** Seconds. A collector deletes within this time of its condemnation, or not at all. A day later nobody deletes by it any more, and a copy may bring its names back. */
export const SWEEP_WITHIN = 6 * HOUR
/** Seconds, at least, between condemnation and the second look, where `doctor` saw a list lag behind what was put. */
export const SETTLE = 120
/** Seconds. A forgotten backup stays as it was for this long. */
export const SOFT_FORGET = 7 * 24 * HOUR
/** Seconds that a restore's pin counts, should its maker be killed. */
export const PIN_TTL = 24 * HOUR
/** Share of the stored bytes that may die without a reason on record: a listing that lies looks exactly like this. */
export const MOST_UNEXPLAINED = 0.2
/** Bytes. What a killed run leaves before it writes its journal needs no explanation. */
export const FEW_UNEXPLAINED = 256 * 1024 * 1024
