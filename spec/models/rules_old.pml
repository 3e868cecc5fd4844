/* The rules until 2026-11-27 (spec/rotation.md §3, vault.md §6 and devices.md §2 at commit 97797bf).
 *
 * A service evaluates its rules on its own copies of the other streams, whatever the statement claims. The model
 * lets these copies be up to date always, which is better than they were. Devices follow the client's plan
 * (rotation_plan.py) on their own, possibly old, copies: PLANS_….
 */

#define LEAST(seen) (seen)
#define TRUSTED(d) (!D[d].revoked)

/* Every statement but account_key_changed and device_trusted was signed by the device key alone. */
#define THIEF_SIGNS_ACCOUNT(d) true
#define THIEF_SIGNS_COMMIT true
#define BELIEVES_BACKDATED

#define IS_NEEDED(e) ((e) == VAULT.epoch || (VAULT.items & EPOCH_BIT(e)))
#define NEW_WRAPS(v) (ROTATION.open == USER -> LIVE(v) & OF_KEY(ROTATION.to_key) : LIVE(v) & OF_EPOCH(ROTATION.to_epoch))

#define MAY_WRAP(e, k, d, r) (((k) == DEVICES.key || (ROTATION.open && (k) == ROTATION.to_key)) && (LIVE(vn) & OF_EPOCH(e)))
#define PLANS_WRAP(e, k, d, r) (R[r].open == USER && R[r].phase == STAGED && (k) == R[r].to_key && !(LIVE(vn) & WRAP(e, k)))

#define MAY_BEGIN(d, r) (ROTATION.open == DATA && ROTATION.phase == STAGED && ROTATION.to_epoch == VAULT.epoch + 1 && \
  D[d].key == DEVICES.key)
#define PLANS_BEGIN(d, r) (R[r].open == DATA && R[r].phase == STAGED)

#define MAY_RETIRE(e, k, d, r, twice) (!IS_NEEDED(e) || \
  ((LIVE(vn) & WRAP(e, DEVICES.key)) && ((k) != DEVICES.key || (twice))))
#define PLANS_RETIRE(e, k, d, r) ( \
  (R[r].open == USER && R[r].phase == COMMITTED && (k) != R[r].to_key) || \
  (R[r].open == DATA && R[r].phase == COMMITTED && (e) < R[r].to_epoch) || \
  (R[r].open == USER && R[r].phase != COMMITTED && (k) == R[r].to_key && D[d].key != (k)))

#define MAY_REKEY(d, r) true
#define PLANS_REKEY(d, r) (R[r].open == DATA && R[r].phase == VERIFIED && R[r].to_epoch <= VAULT.epoch)

#define MAY_START(d, v) (ROTATION.open == NONE && D[d].key == DEVICES.key && V[v].epoch == VAULT.epoch)

#define MAY_VERIFY(d, v) (ROTATION.phase == STAGED && NEW_WRAPS(vn) && NEW_WRAPS(v) == NEW_WRAPS(vn) && \
  (ROTATION.open == DATA || COVERS(LIVE(vn), ROTATION.to_key)))

#define MAY_TAKE(r, v) true
#define PLANS_TAKE(r, v) (R[r].open == USER && R[r].phase == VERIFIED && DEVICES.key != R[r].to_key && \
  COVERS(LIVE(v), R[r].to_key))
#define MAY_ABANDON(r, v) false

#define MAY_COMMIT_ROTATION(d, v) (ROTATION.phase == VERIFIED && ( \
  (ROTATION.open == USER && DEVICES.key == ROTATION.to_key) || \
  (ROTATION.open == DATA && VAULT.epoch >= ROTATION.to_epoch)))
#define PLANS_COMMIT_ROTATION(d, v) ( \
  (ROTATION.open == USER && D[d].key == ROTATION.to_key) || \
  (ROTATION.open == DATA && V[v].epoch >= ROTATION.to_epoch && !(V[v].items & (EPOCH_BIT(ROTATION.to_epoch) - 1))))

#define OLD_WRAPS(v) (ROTATION.open == USER -> LIVE(v) & ~OF_KEY(ROTATION.to_key) : LIVE(v) & BEFORE_EPOCH(ROTATION.to_epoch))
#define MAY_COMPLETE(d, v) (ROTATION.phase == COMMITTED && !OLD_WRAPS(vn))
#define PLANS_COMPLETE(d, v) (!OLD_WRAPS(v))

#define MAY_ABORT(d, v) (ROTATION.phase != COMMITTED && ( \
  (ROTATION.open == USER && DEVICES.key != ROTATION.to_key && !(LIVE(vn) & OF_KEY(ROTATION.to_key))) || \
  ROTATION.open == DATA))
#define PLANS_ABORT(d, v) (ROTATION.open == DATA || D[d].key != ROTATION.to_key)

/* What the client took for a completed revocation: both kinds of rotation since. */
#define COUNTS true
#define LEFT_AT(v) 0
