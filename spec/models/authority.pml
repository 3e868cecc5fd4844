/* Two devices of an account, A and B, and a third, T, that falls into other hands. See README.md.
 *
 * RULES     NEW or OLD
 * THIEF     ABSENT, LOCKED (T has its device key alone) or UNLOCKED (T knows the user key; it may be revoked)
 * PROPERTY  which of the properties below is checked, or EVERY
 */

#define OPENABLE 1      /* an acknowledged item opens with the account's present user key */
#define REVOKED 2       /* after a completed revocation T reads and writes nothing */
#define NEEDED_WRAPS 3  /* no needed wrap is retired */
#define LOCKED_OUT 4    /* a locked device destroys nothing */
#define APART 5         /* rotations never interleave */
#define GOES_ON 6       /* an open rotation can always be gone on with */
#define EVERY 7
#define REACHED 8       /* "no revocation is ever completed": must be refuted, else the model cannot move */

#define ABSENT 0
#define LOCKED 1
#define UNLOCKED 2
#define NEW 1
#define OLD 2

#ifndef ROTATIONS
#define ROTATIONS 3
#endif

#include "streams.pml"

#define KEYS_OF_THIEF (THIEF == UNLOCKED -> 1 : 0)
#define THIEF_KNOWS(e) (ever & OF_EPOCH(e) & OF_KEYS(thief_keys))
#define SIGNS_ACCOUNT(d) (author != 'T' || (TRUSTED(d) && THIEF_SIGNS_ACCOUNT(d)))
#define SIGNS_COMMIT(d) (author != 'T' || (TRUSTED(d) && THIEF_SIGNS_COMMIT))

#if RULES == NEW
#include "rules_new.pml"
#else
#include "rules_old.pml"
#endif

#define NEEDED(e) ((e) == VAULT.epoch || (VAULT.items & EPOCH_BIT(e)))

/* Epochs with an item that does not open (bits). */
#ifndef SPOILED
#define SPOILED 0
#endif
#ifndef DAMAGES
#define DAMAGES 0
#endif

#define CHECK(property, holds) assert(!(PROPERTY == property || PROPERTY == EVERY) || (holds))

#define OPENS(e) (!(VAULT.items & EPOCH_BIT(e)) || (VAULT.good & WRAP(e, DEVICES.key)))
#define EVERYTHING_OPENS (OPENS(1) && OPENS(2) && OPENS(3))
#define REVOCATION_COMPLETED (ROTATION.since == (USER | DATA))

/* With everything read, somebody who has both user keys can say the next step of the open rotation. */
#define CAN_WRAP (ROTATION.open == USER && !COVERS(LIVE(vn), ROTATION.to_key) && !DECIDED(dn, ROTATION.to_key))
#define CAN_RETIRE_AT(e, k) ((LIVE(vn) & WRAP(e, k)) && MAY_RETIRE(e, k, dn, rn, false) && PLANS_RETIRE(e, k, dn, rn))
#define CAN_RETIRE (CAN_RETIRE_AT(1, 0) || CAN_RETIRE_AT(1, 1) || CAN_RETIRE_AT(1, 2) || CAN_RETIRE_AT(2, 0) || \
  CAN_RETIRE_AT(2, 1) || CAN_RETIRE_AT(2, 2) || CAN_RETIRE_AT(3, 0) || CAN_RETIRE_AT(3, 1) || CAN_RETIRE_AT(3, 2))
#define CAN_REKEY (ROTATION.open == DATA && MAY_REKEY(dn, rn) && (VAULT.items & ~SPOILED & ~EPOCH_BIT(VAULT.epoch)))
#define CAN_GO_ON (ROTATION.open == NONE || MAY_VERIFY(dn, vn) || MAY_TAKE(rn, vn) || MAY_ABANDON(rn, vn) || \
  (MAY_COMMIT_ROTATION(dn, vn) && PLANS_COMMIT_ROTATION(dn, vn)) || MAY_COMPLETE(dn, vn) || MAY_ABORT(dn, vn) || CAN_RETIRE || CAN_REKEY || CAN_WRAP)

/* Forget the places that no statement can claim any more. */
inline forget() {
  do :: LESSER(LEAST(Rd), LEAST(Vd)) > 0 -> drop_devices() :: else -> break od;
  do :: LESSER(Dr, Vr) > 0 -> drop_rotation() :: else -> break od;
  do :: LESSER(Dv, Rv) > 0 -> drop_vault() :: else -> break od;
  i = 0
}

/* T has said something, and it counts. */
inline heed() {
  if
  :: author == 'T' && DEVICES.revoked ->
#ifdef BELIEVES_BACKDATED
     CHECK(REVOKED, false);
#endif
     CHECK(REVOKED, !REVOCATION_COMPLETED)
  :: else
  fi
}

inline check_state() {
  CHECK(OPENABLE, EVERYTHING_OPENS);
  assert(PROPERTY != REACHED || !REVOCATION_COMPLETED);
  CHECK(REVOKED, !REVOCATION_COMPLETED || !THIEF_KNOWS(VAULT.epoch));
#if RULES == NEW
  CHECK(GOES_ON, CAN_GO_ON);
#endif
  forget()
}

/* ------------------------------------------------------------------ what a statement of each type does */

inline say_revoked(r, v) {
  d_step {
    printf("%c devices: ", author); printf("device_revoked T  (behind: rotation %d, vault %d)\n", rn - r, vn - v);
    extend_devices(r, v);
    DEVICES.revoked = true;
    check_state()
  }
}

inline say_taken(r, v) {
  d_step {
    printf("%c devices: ", author);
    printf("account_key_changed to K%d, rotation %d  (behind: rotation %d, vault %d)\n", R[r].to_key, R[r].id, rn - r, vn - v);
    CHECK(APART, ROTATION.open == USER && ROTATION.id == R[r].id);
    extend_devices(r, v);
    DEVICES.past = DEVICES.past | KEY_BIT(DEVICES.key);
    DEVICES.key = R[r].to_key;
    check_state()
  }
}

inline say_abandoned(r, v) {
  d_step {
    printf("%c devices: ", author);
    printf("key_change_abandoned K%d, rotation %d  (behind: rotation %d, vault %d)\n", R[r].to_key, R[r].id, rn - r, vn - v);
    CHECK(APART, ROTATION.open == USER && ROTATION.id == R[r].id);
    extend_devices(r, v);
    DEVICES.abandoned = DEVICES.abandoned | KEY_BIT(R[r].to_key);
    check_state()
  }
}

inline say_started(which, d, v) {
  d_step {
    heed();
    printf("%c rotation: ", author);
    extend_rotation(d, v);
    ROTATION.id++; ROTATION.open = which; ROTATION.phase = STAGED; ROTATION.verified = 0;
    ROTATION.informed = D[d].revoked;
    if
    :: which == USER ->
       ROTATION.last_key++; owner[ROTATION.last_key] = ROTATION.id; ROTATION.to_key = ROTATION.last_key; ROTATION.to_epoch = V[v].epoch;
       if :: !D[d].revoked && THIEF == UNLOCKED -> thief_keys = thief_keys | KEY_BIT(ROTATION.to_key) :: else fi;
       printf("rotation_started %d: user key to K%d", ROTATION.id, ROTATION.to_key)
    :: else ->
       ROTATION.to_key = D[d].key; ROTATION.to_epoch = V[v].epoch + 1;
       printf("rotation_started %d: data key to epoch %d", ROTATION.id, ROTATION.to_epoch)
    fi;
    printf("  (behind: devices %d, vault %d)\n", dn - d, vn - v);
    check_state()
  }
}

inline say_verified(d, v) {
  d_step {
    heed();
    printf("%c rotation: ", author); printf("rotation_verified %d  (behind: devices %d, vault %d)\n", ROTATION.id, dn - d, vn - v);
    extend_rotation(d, v);
    ROTATION.phase = VERIFIED;
    ROTATION.verified = NEW_WRAPS(v);
    check_state()
  }
}

inline say_rotation_committed(d, v) {
  d_step {
    heed();
    printf("%c rotation: ", author); printf("rotation_committed %d  (behind: devices %d, vault %d)\n", ROTATION.id, dn - d, vn - v);
    extend_rotation(d, v);
    ROTATION.phase = COMMITTED;
    if :: ROTATION.open == DATA -> ROTATION.committed = ROTATION.to_epoch; ROTATION.left = LEFT_AT(v) :: else fi;
    check_state()
  }
}

inline end_rotation() {
  ROTATION.open = NONE; ROTATION.phase = 0; ROTATION.to_key = 0; ROTATION.to_epoch = 0; ROTATION.verified = 0;
  ROTATION.informed = false
}

inline say_completed(d, v) {
  d_step {
    heed();
    printf("%c rotation: ", author); printf("rotation_completed %d  (behind: devices %d, vault %d)\n", ROTATION.id, dn - d, vn - v);
    extend_rotation(d, v);
    if :: ROTATION.informed && COUNTS -> ROTATION.since = ROTATION.since | ROTATION.open :: else fi;
    end_rotation();
    check_state()
  }
}

inline say_aborted(d, v) {
  d_step {
    heed();
    printf("%c rotation: ", author); printf("rotation_aborted %d  (behind: devices %d, vault %d)\n", ROTATION.id, dn - d, vn - v);
    extend_rotation(d, v);
    end_rotation();
    check_state()
  }
}

/* Give a wrap of epoch e under key k to the vault; `whole`: its bytes open. */
inline say_wrapped(e, k, whole, d, r) {
  d_step {
    heed();
    printf("%c vault: ", author);
    printf("key_wrapped: epoch %d under K%d, opens: %d  (behind: devices %d, rotation %d)\n", e, k, whole, dn - d, rn - r);
    if
    :: e > VAULT.epoch -> CHECK(APART, R[r].open == DATA && R[r].id >= spoken); spoken = R[r].id
    :: e <= VAULT.epoch && k != D[d].key -> CHECK(APART, owner[k] >= spoken); spoken = owner[k]
    :: else
    fi;
    CHECK(APART, e <= VAULT.epoch || ROTATION.open != USER || !(LIVE(vn) & OF_KEY(ROTATION.to_key)));
    extend_vault(d, r);
    if :: e > VAULT.epoch -> VAULT.epoch = e; VAULT.begun_by = R[r].id :: else fi;
    if
    :: whole -> VAULT.good = VAULT.good | WRAP(e, k); ever = ever | WRAP(e, k)
    :: else -> VAULT.bad = VAULT.bad | WRAP(e, k)
    fi;
    check_state()
  }
}

inline say_retired(e, k, whole, d, r) {
  d_step {
    heed();
    printf("%c vault: ", author);
    printf("wrap_retired: epoch %d under K%d, opens: %d  (behind: devices %d, rotation %d)\n", e, k, whole, dn - d, rn - r);
    CHECK(LOCKED_OUT, !(author == 'T' && THIEF == LOCKED && whole));
    CHECK(NEEDED_WRAPS, !(whole && NEEDED(e) && k == DEVICES.key));
    CHECK(NEEDED_WRAPS, !(whole && NEEDED(e) && ROTATION.open == USER && ROTATION.phase == VERIFIED &&
      k == ROTATION.to_key && !(DEVICES.abandoned & KEY_BIT(k))));
    extend_vault(d, r);
    if
    :: whole -> VAULT.good = VAULT.good & ~WRAP(e, k)
    :: else -> VAULT.bad = VAULT.bad & ~WRAP(e, k)
    fi;
    check_state()
  }
}

/* An item is written under the newest epoch. */
inline say_put(d, r) {
  d_step {
    heed();
    printf("%c vault: ", author); printf("items_committed: put under epoch %d  (behind: devices %d, rotation %d)\n", VAULT.epoch, dn - d, rn - r);
    extend_vault(d, r);
    VAULT.items = VAULT.items | EPOCH_BIT(VAULT.epoch);
    check_state()
  }
}

/* Every live item is re-encrypted under the newest epoch, and a snapshot says so. */
inline say_rekeyed(d, r) {
  d_step {
    heed();
    printf("%c vault: ", author); printf("items_committed: rekey to epoch %d  (behind: devices %d, rotation %d)\n", VAULT.epoch, dn - d, rn - r);
    CHECK(APART, R[r].id >= spoken); spoken = R[r].id;
    extend_vault(d, r);
    VAULT.items = EPOCH_BIT(VAULT.epoch) | (VAULT.items & SPOILED);
    check_state()
  }
}

/* Every item is removed. */
inline say_removed(d, r) {
  d_step {
    heed();
    printf("%c vault: ", author); printf("items_committed: remove everything  (behind: devices %d, rotation %d)\n", dn - d, rn - r);
    CHECK(LOCKED_OUT, !(author == 'T' && THIEF == LOCKED));
    extend_vault(d, r);
    VAULT.items = 0;
    check_state()
  }
}

/* ------------------------------------------------------------------ who speaks */

/* Claims: any heads that may still be claimed. A has always read everything, B anything between (its request
 * may have waited, or it has not read for long), T claims what it likes. */
inline look(least, newest, at) {
  at = newest;
  if
  :: author != 'A' -> do :: at > least -> at-- :: break od
  :: else
  fi
}

/* T is one more device like B until it is revoked; what matters is what it says afterwards. A locked T says what it
 * can from the start. PATIENT: nothing before the revocation is completed. */
#ifdef PATIENT
#define SPEAKS (author != 'T' || REVOCATION_COMPLETED)
#else
#define SPEAKS (author != 'T' || THIEF == LOCKED || DEVICES.revoked)
#endif
#define MAKES_WHOLE (author != 'T' || THIEF == UNLOCKED)
#define CAN_READ (VAULT.good & OF_EPOCH(VAULT.epoch))

/* Any place of a wrap. */
inline pick_place() {
  e = 1; k = 0;
  do :: e < EPOCHS -> e++ :: break od;
  do :: k < KEYS - 1 -> k++ :: break od
}

/* A claim that is newer than it must be only takes away from what may be said later: whatever follows upon it may
 * follow upon the older claim. Where nothing is to be found, the least claims are enough. */
#ifdef FRUGAL
#define LEAST_CLAIMS(least) (author == 'T' || (least))
#else
#define LEAST_CLAIMS(least) true
#endif
#define FIRST_TO_BEGIN LEAST_CLAIMS( \
  !(d > LEAST(Vd) && MAY_BEGIN(d - 1, r) && D[d - 1].key == D[d].key) && \
  !(r > Vr && MAY_BEGIN(d, r - 1) && R[r - 1].id == R[r].id))
#define FIRST_TO_WRAP LEAST_CLAIMS( \
  !(d > LEAST(Vd) && MAY_WRAP(e, k, d - 1, r) && D[d - 1].key == D[d].key) && \
  !(r > Vr && MAY_WRAP(e, k, d, r - 1) && R[r - 1].id == R[r].id))
#define FIRST_TO_RETIRE(twice) LEAST_CLAIMS( \
  !(d > LEAST(Vd) && MAY_RETIRE(e, k, d - 1, r, twice)) && !(r > Vr && MAY_RETIRE(e, k, d, r - 1, twice)))

proctype Device(byte author) {
  byte i, d, r, v, e, k;
  do
  :: atomic {
    /* in devices */
    author != 'T';
    look(Dr, rn, r); look(Dv, vn, v);
    if
    :: THIEF == UNLOCKED && !DEVICES.revoked && LEAST_CLAIMS(r == Dr && v == Dv) -> say_revoked(r, v)
    :: MAY_TAKE(r, v) && (author == 'T' || PLANS_TAKE(r, v)) &&
       LEAST_CLAIMS(!(r > Dr && MAY_TAKE(r - 1, v)) && !(v > Dv && MAY_TAKE(r, v - 1))) -> say_taken(r, v)
    :: MAY_ABANDON(r, v) && LEAST_CLAIMS(v == Dv && !(r > Dr && MAY_ABANDON(r - 1, v))) -> say_abandoned(r, v)
    :: else
    fi;
    d = 0; r = 0; v = 0 }
  :: atomic {
    /* in rotation */
    SPEAKS;
    look(LEAST(Rd), dn, d); look(Rv, vn, v);
    if
    :: !SIGNS_ACCOUNT(d)
    :: SIGNS_ACCOUNT(d) && MAY_START(d, v) && ROTATION.id < ROTATIONS &&
       LEAST_CLAIMS(!(d > LEAST(Rd) && D[d - 1].key == D[d].key && D[d - 1].revoked == D[d].revoked) &&
         !(v > Rv && V[v - 1].epoch == V[v].epoch)) ->
       if
       :: ROTATION.last_key < KEYS - 1 -> say_started(USER, d, v)
       :: V[v].epoch < EPOCHS -> say_started(DATA, d, v)
       :: else
       fi
    :: SIGNS_ACCOUNT(d) && MAY_VERIFY(d, v) && !(V[v].bad & NEW_WRAPS(v)) &&
       LEAST_CLAIMS(d == LEAST(Rd) && !(v > Rv && MAY_VERIFY(d, v - 1) && NEW_WRAPS(v - 1) == NEW_WRAPS(v) && !(V[v - 1].bad & NEW_WRAPS(v)))) -> say_verified(d, v)
    :: SIGNS_ACCOUNT(d) && MAY_COMMIT_ROTATION(d, v) && PLANS_COMMIT_ROTATION(d, v) &&
       LEAST_CLAIMS(!(d > LEAST(Rd) && MAY_COMMIT_ROTATION(d - 1, v)) &&
         !(v > Rv && MAY_COMMIT_ROTATION(d, v - 1) && LEFT_AT(v - 1) == LEFT_AT(v))) -> say_rotation_committed(d, v)
    :: SIGNS_ACCOUNT(d) && MAY_COMPLETE(d, v) && (author == 'T' || PLANS_COMPLETE(d, v)) &&
       LEAST_CLAIMS(d == LEAST(Rd) && !(v > Rv && MAY_COMPLETE(d, v - 1))) -> say_completed(d, v)
    :: SIGNS_ACCOUNT(d) && MAY_ABORT(d, v) && (author == 'T' || PLANS_ABORT(d, v)) &&
       LEAST_CLAIMS(!(d > LEAST(Rd) && MAY_ABORT(d - 1, v)) && !(v > Rv && MAY_ABORT(d, v - 1))) -> say_aborted(d, v)
    :: else
    fi;
    d = 0; v = 0 }
  :: atomic {
    /* in vault: a new epoch, items */
    SPEAKS;
    look(LEAST(Vd), dn, d); look(Vr, rn, r);
    e = VAULT.epoch + 1; k = D[d].key;
    if
    :: SIGNS_ACCOUNT(d) && MAY_BEGIN(d, r) && (author == 'T' || PLANS_BEGIN(d, r)) && MAKES_WHOLE && FIRST_TO_BEGIN -> say_wrapped(e, k, true, d, r)
    :: SIGNS_ACCOUNT(d) && MAY_BEGIN(d, r) && (author == 'T' || PLANS_BEGIN(d, r)) && damages > 0 && FIRST_TO_BEGIN -> damages--; say_wrapped(e, k, false, d, r)
    :: author != 'T' && MAY_REKEY(d, r) && (author == 'T' || PLANS_REKEY(d, r)) && CAN_READ && (VAULT.items & ~SPOILED & ~EPOCH_BIT(VAULT.epoch)) &&
       LEAST_CLAIMS(d == LEAST(Vd) && !(r > Vr && MAY_REKEY(d, r - 1) && R[r - 1].id == R[r].id)) ->
       say_rekeyed(d, r)
    :: (author != 'T' || (THIEF == UNLOCKED && SIGNS_COMMIT(d))) && CAN_READ &&
       (author == 'T' || !(VAULT.items & EPOCH_BIT(VAULT.epoch))) && LEAST_CLAIMS(d == LEAST(Vd) && r == Vr) -> say_put(d, r)
    :: author == 'T' && THIEF == LOCKED && SIGNS_COMMIT(d) && VAULT.items -> say_removed(d, r)
    :: else
    fi;
    d = 0; r = 0; e = 0; k = 0 }
  :: atomic {
    /* in vault: a wrap is made */
    SPEAKS;
    pick_place();
    look(LEAST(Vd), dn, d); look(Vr, rn, r);
    if
    :: SIGNS_ACCOUNT(d) && MAKES_WHOLE && !(VAULT.good & WRAP(e, k)) && MAY_WRAP(e, k, d, r) && (author == 'T' || PLANS_WRAP(e, k, d, r)) &&
       (ever & OF_EPOCH(e)) && FIRST_TO_WRAP -> say_wrapped(e, k, true, d, r)
    :: SIGNS_ACCOUNT(d) && damages > 0 && !(VAULT.bad & WRAP(e, k)) && MAY_WRAP(e, k, d, r) && (author == 'T' || PLANS_WRAP(e, k, d, r)) && FIRST_TO_WRAP ->
       damages--; say_wrapped(e, k, false, d, r)
    :: else
    fi;
    d = 0; r = 0; e = 0; k = 0 }
  :: atomic {
    /* in vault: a wrap is retired */
    SPEAKS;
    pick_place();
    look(LEAST(Vd), dn, d); look(Vr, rn, r);
    if
    :: SIGNS_ACCOUNT(d) && (VAULT.good & WRAP(e, k)) && MAY_RETIRE(e, k, d, r, VAULT.bad & WRAP(e, k)) && (author == 'T' || PLANS_RETIRE(e, k, d, r)) && FIRST_TO_RETIRE(VAULT.bad & WRAP(e, k)) ->
       say_retired(e, k, true, d, r)
    :: SIGNS_ACCOUNT(d) && (VAULT.bad & WRAP(e, k)) && MAY_RETIRE(e, k, d, r, VAULT.good & WRAP(e, k)) && (author == 'T' || PLANS_RETIRE(e, k, d, r)) && FIRST_TO_RETIRE(VAULT.good & WRAP(e, k)) ->
       say_retired(e, k, false, d, r)
    :: else
    fi;
    d = 0; r = 0; e = 0; k = 0 }
  od
}

init {
  atomic {
    D[0].key = 0;
    V[0].good = WRAP(1, 0); V[0].epoch = 1; V[0].items = EPOCH_BIT(1);
    ever = WRAP(1, 0); thief_keys = KEYS_OF_THIEF; damages = DAMAGES;
#ifndef FRUGAL
    run Device('A');
#endif
    run Device('B');
#if THIEF != ABSENT
    run Device('T')
#endif
  }
}
