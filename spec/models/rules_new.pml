/* The rules of lineage.md. Each is evaluated at the heads that the statement claims (d, r, v: a place of devices,
 * rotation and vault), so that the service, a client and an auditor find the same.
 *
 * WITHOUT_… takes one rule away: a mutant, which the checker must refute. [R…]: README.md, "The rules".
 */

/* [R1] Heads never go back along a stream: the least devices head that a statement may claim. */
#ifdef WITHOUT_SEEN
#define LEAST(seen) 0
#else
#define LEAST(seen) (seen)
#endif

/* [R2] The author was trusted at the devices head that it claims. */
#define TRUSTED(d) (!D[d].revoked)

/* [R3] Key-lifecycle statements carry the signature of the account key in force at the claimed devices head, commits
 * that of the epoch's commit key. Whether T can make them: */
#ifdef WITHOUT_ACCOUNT_SIGNATURE
#define THIEF_SIGNS_ACCOUNT(d) true
#else
#define THIEF_SIGNS_ACCOUNT(d) (thief_keys & KEY_BIT(D[d].key))
#endif
#ifdef WITHOUT_COMMIT_SIGNATURE
#define THIEF_SIGNS_COMMIT true
#else
#define THIEF_SIGNS_COMMIT THIEF_KNOWS(VAULT.epoch)
#endif

/* [R4] A user key change is open at the claimed rotation head, and not decided at the claimed devices head. */
#define DECIDED(d, k) ((D[d].abandoned & KEY_BIT(k)) || (D[d].past & KEY_BIT(k)) || D[d].key == (k))
#define UNDECIDED_CHANGE(d, r) (R[r].open == USER && !DECIDED(d, R[r].to_key))

/* [R5] key_wrapped: under the account's key, or the open change's that is not abandoned. */
#ifdef WITHOUT_OPEN_ROTATION
#define MAY_USE_KEY(k, d, r) ((k) == D[d].key || ((k) <= R[r].last_key && !DECIDED(d, k)))
#else
#define MAY_USE_KEY(k, d, r) ((k) == D[d].key || (UNDECIDED_CHANGE(d, r) && (k) == R[r].to_key))
#endif
#define MAY_WRAP(e, k, d, r) (MAY_USE_KEY(k, d, r) && (e) <= VAULT.epoch)

/* [R6] key_wrapped of a new epoch: only a STAGED data re-key to exactly it, under the account's key. */
#ifdef WITHOUT_REKEY
#define MAY_BEGIN(d, r) true
#else
#define MAY_BEGIN(d, r) (R[r].open == DATA && R[r].phase == STAGED && R[r].to_epoch == VAULT.epoch + 1)
#endif

/* [R7] wrap_retired (i): the wrap's key is past or abandoned; of a past key another live wrap of the epoch remains
 * under the account's key. */
#define SURVIVES(e, d) (LIVE(vn) & WRAP(e, D[d].key))
#ifdef WITHOUT_PAST_KEY
#define MAY_RETIRE_KEY(e, k, d, twice) ((twice) || (LIVE(vn) & OF_EPOCH(e)) != WRAP(e, k))
#elif defined(WITHOUT_ABANDONED)
#define MAY_RETIRE_KEY(e, k, d, twice) ((k) != D[d].key && SURVIVES(e, d))
#else
#define MAY_RETIRE_KEY(e, k, d, twice) ((k) != D[d].key && ( \
  (D[d].abandoned & KEY_BIT(k)) || ((D[d].past & KEY_BIT(k)) && SURVIVES(e, d))))
#endif

/* [R8] wrap_retired (ii): an epoch older than the target of a committed data re-key, which left nothing under it. */
#ifdef WITHOUT_COMMITTED
#define MAY_RETIRE_EPOCH(e, r) ((e) < VAULT.epoch && !(R[r].left & EPOCH_BIT(e)))
#elif defined(WITHOUT_LEFT)
#define MAY_RETIRE_EPOCH(e, r) ((e) < R[r].committed)
#else
#define MAY_RETIRE_EPOCH(e, r) ((e) < R[r].committed && !(R[r].left & EPOCH_BIT(e)))
#endif
#define MAY_RETIRE(e, k, d, r, twice) (MAY_RETIRE_KEY(e, k, d, twice) || MAY_RETIRE_EPOCH(e, r))

/* [R9] items_committed: under the newest epoch, by its commit key. A rekey while the data re-key is VERIFIED. */
#define MAY_REKEY(d, r) (R[r].open == DATA && R[r].phase == VERIFIED && R[r].to_epoch == VAULT.epoch)

/* [R10] rotation_started: none is open; from the account's key and the newest epoch at the claimed heads, to a user
 * key that was never named before. */
#define MAY_START(d, v) (ROTATION.open == NONE)

/* [R11] rotation_verified: what is named is what is live. User key: every live epoch has a wrap under the new key. */
#define NEW_WRAPS(v) (ROTATION.open == USER -> \
  LIVE(v) & OF_KEY(ROTATION.to_key) : LIVE(v) & WRAP(ROTATION.to_epoch, ROTATION.to_key))
#ifdef WITHOUT_EVERY_EPOCH
#define ALL_WRAPPED(v, k) ((LIVE(v) & OF_KEY(k)) != 0)
#else
#define ALL_WRAPPED(v, k) COVERS(LIVE(v), k)
#endif
/* [R12] rotation_verified. Data key: the epoch was begun by this very rotation. */
#ifdef WITHOUT_OWN_EPOCH
#define OWN_EPOCH(v) (V[v].epoch == ROTATION.to_epoch)
#else
#define OWN_EPOCH(v) (V[v].epoch == ROTATION.to_epoch && V[v].begun_by == ROTATION.id)
#endif
#define MAY_VERIFY(d, v) (ROTATION.phase == STAGED && NEW_WRAPS(v) && ( \
  (ROTATION.open == USER && ALL_WRAPPED(v, ROTATION.to_key)) || (ROTATION.open == DATA && OWN_EPOCH(v))))

/* [R13] account_key_changed, TAKEN: at the claimed heads the change is VERIFIED, and the new key's live wraps are
 * exactly the verified ones and cover every live epoch. Not after [R14]. */
#ifdef WITHOUT_VERIFIED
#define MAY_TAKE(r, v) UNDECIDED_CHANGE(dn, r)
#elif defined(WITHOUT_ABANDONED)
#define MAY_TAKE(r, v) (R[r].open == USER && R[r].phase == VERIFIED && DEVICES.key != R[r].to_key && \
  (LIVE(v) & OF_KEY(R[r].to_key)) == R[r].verified && ALL_WRAPPED(v, R[r].to_key))
#else
#define MAY_TAKE(r, v) (UNDECIDED_CHANGE(dn, r) && R[r].phase == VERIFIED && \
  (LIVE(v) & OF_KEY(R[r].to_key)) == R[r].verified && ALL_WRAPPED(v, R[r].to_key))
#endif

/* [R14] key_change_abandoned, ABANDONED: the open change's own key. Not after [R13]. */
#ifdef WITHOUT_ABANDONED
#define MAY_ABANDON(r, v) false
#else
#define MAY_ABANDON(r, v) UNDECIDED_CHANGE(dn, r)
#endif

/* [R15] rotation_committed. User key: the claimed devices head shows TAKEN. Data key: the epoch is its own; it names
 * the older epochs under which items that do not open are left. */
#define MAY_COMMIT_ROTATION(d, v) (ROTATION.phase == VERIFIED && ( \
  (ROTATION.open == USER && D[d].key == ROTATION.to_key) || (ROTATION.open == DATA && OWN_EPOCH(v))))
#define LEFT_AT(v) (V[v].items & (EPOCH_BIT(ROTATION.to_epoch) - 1))

/* [R16] rotation_completed: no live wrap under another key, or of an older epoch in which nothing was left. */
#ifdef WITHOUT_EXCEPTION
#define MAY_STAY 0
#else
#define MAY_STAY OF_EPOCHS(ROTATION.left)
#endif
#define MAY_COMPLETE(d, v) (ROTATION.phase == COMMITTED && ( \
  (ROTATION.open == USER && !(LIVE(v) & ~OF_KEY(ROTATION.to_key))) || \
  (ROTATION.open == DATA && !(LIVE(v) & BEFORE_EPOCH(ROTATION.to_epoch) & ~MAY_STAY))))

/* [R17] rotation_aborted. User key: the claimed devices head shows ABANDONED, and no wrap under the key is live.
 * Data key: until it is committed. */
#ifdef WITHOUT_ABANDONED
#define GIVEN_UP(d) (D[d].key != ROTATION.to_key)
#else
#define GIVEN_UP(d) (D[d].abandoned & KEY_BIT(ROTATION.to_key))
#endif
#define MAY_ABORT(d, v) ( \
  (ROTATION.open == USER && ROTATION.phase != COMMITTED && GIVEN_UP(d) && !(LIVE(v) & OF_KEY(ROTATION.to_key))) || \
  (ROTATION.open == DATA && ROTATION.phase != COMMITTED))

/* [R18] A revocation is completed by a user key change that was started in its knowledge, and a data re-key started
 * after that one was completed: a data key that was ever under the old user key is known. */
#ifdef WITHOUT_ORDER
#define COUNTS true
#else
#define COUNTS (ROTATION.open == USER || (ROTATION.since & USER))
#endif

/* What a device does of what it may, evaluated at its claims: here everything. The properties do not depend on the
 * plans of honest clients, but on their truthfulness: rotation_verified is said only of wraps that were opened, and
 * rotation_committed only when no item is left but those that do not open. */
#define PLANS_WRAP(e, k, d, r) true
#define PLANS_BEGIN(d, r) true
#define PLANS_REKEY(d, r) true
#define PLANS_RETIRE(e, k, d, r) true
#define PLANS_TAKE(r, v) true
#define PLANS_ABORT(d, v) true
#define PLANS_COMMIT_ROTATION(d, v) (ROTATION.open == USER || !(LEFT_AT(v) & ~SPOILED))
#define PLANS_COMPLETE(d, v) true
