/* The three streams of one account, with the history that a late statement may still claim.
 *
 * A statement is appended to its own stream at the newest place (seq and prev), and claims a head of each of the
 * other two: any head between the highest that was claimed in its stream before (`seen`) and the newest. This is all
 * that lag, crashes and held-back requests can do: a request that waited is one that claims old heads; a device
 * that crashed says nothing more; a repeated request names a place that is taken. So no message queue is modelled.
 *
 * D, R, V keep the fold of devices, rotation and vault at every place that can still be claimed, the oldest first;
 * what every other stream has seen past is forgotten. LAG bounds how many places of a stream a claim may be behind.
 *
 * A wrap is a bit: epoch 1..3 (rows of three), user key 0..2. `good` opens, `bad` was damaged or made of garbage;
 * no rule may look at the difference, since no service can see it.
 */

#ifndef LAG
#define LAG 3
#endif
#define KEYS 3
#define EPOCHS 3
#define ALL_KEYS 7

#define NONE 0
#define USER 1
#define DATA 2

#define STAGED 1
#define VERIFIED 2
#define COMMITTED 3

typedef DevicesFold {
  byte key;           /* the account's user key */
  byte past;          /* user keys that were the account's before (bits) */
  byte abandoned;     /* user keys that were given up before they took over (bits) */
  bool revoked        /* device T is revoked */
};

typedef RotationFold {
  byte open;          /* kind of the open rotation, or NONE */
  byte phase;
  byte id;            /* of the newest rotation: 1, 2, 3 as they are started */
  byte to_key;
  byte to_epoch;
  byte last_key;      /* the newest user key that any rotation named */
  short verified;     /* the wraps that were read back in the open rotation */
  byte committed;     /* target epoch of the newest committed data re-key */
  byte left;          /* older epochs that it left items under (bits) */
  bool informed;      /* the open rotation was started by somebody who knew of T's revocation */
  byte since          /* kinds of rotation that were started in this knowledge and are completed (bits) */
};

typedef VaultFold {
  short good;         /* live wraps that open */
  short bad;          /* live wraps that do not */
  byte epoch;         /* the newest */
  byte begun_by;      /* the rotation that began the newest epoch */
  byte items          /* epochs that live items are sealed under (bits) */
};

DevicesFold D[LAG];
RotationFold R[LAG];
VaultFold V[LAG];
byte dn, rn, vn;      /* the newest place of each */
byte Rd, Vd;          /* what the rotation and vault streams have seen of devices */
byte Dr, Vr;          /* ... of rotation */
byte Dv, Rv;          /* ... of vault */

/* What happened, beside the streams: no rule looks at it, the properties do. */
short ever;           /* wraps that were ever live and open: whoever learns the user key has the data key */
byte thief_keys;      /* user keys that T knows (bits) */
byte owner[KEYS];     /* the rotation that named a user key */
byte spoken;          /* the newest rotation that has said a step in the vault stream */
byte damages;         /* wraps that may still be damaged on their way */

#define DEVICES D[dn]
#define ROTATION R[rn]
#define VAULT V[vn]

#define KEY_BIT(k) (1 << (k))
#define EPOCH_BIT(e) (1 << ((e) - 1))
#define WRAP(e, k) (1 << (3 * ((e) - 1) + (k)))
#define OF_EPOCH(e) (7 << (3 * ((e) - 1)))
#define OF_KEY(k) (73 << (k))
#define OF_KEYS(m) (73 * (m))
#define OF_EPOCHS(m) (((m) & 1) * 7 | ((m) & 2) * 28 | ((m) & 4) * 112)
#define BEFORE_EPOCH(e) ((1 << (3 * ((e) - 1))) - 1)

#define LIVE(v) (V[v].good | V[v].bad)

/* Every epoch that has a wrap among `wraps` has one under key k. */
#define COVERS(wraps, k) ( \
  (!((wraps) & OF_EPOCH(1)) || ((wraps) & WRAP(1, k))) && \
  (!((wraps) & OF_EPOCH(2)) || ((wraps) & WRAP(2, k))) && \
  (!((wraps) & OF_EPOCH(3)) || ((wraps) & WRAP(3, k))))

#define LESSER(a, b) ((a) < (b) -> (a) : (b))

inline copy_devices(from, to) {
  D[to].key = D[from].key; D[to].past = D[from].past; D[to].abandoned = D[from].abandoned;
  D[to].revoked = D[from].revoked
}

inline copy_rotation(from, to) {
  R[to].open = R[from].open; R[to].phase = R[from].phase; R[to].id = R[from].id;
  R[to].to_key = R[from].to_key; R[to].to_epoch = R[from].to_epoch; R[to].last_key = R[from].last_key;
  R[to].verified = R[from].verified; R[to].left = R[from].left; R[to].committed = R[from].committed;
  R[to].informed = R[from].informed; R[to].since = R[from].since
}

inline copy_vault(from, to) {
  V[to].good = V[from].good; V[to].bad = V[from].bad; V[to].epoch = V[from].epoch;
  V[to].begun_by = V[from].begun_by; V[to].items = V[from].items
}

inline clear_devices(at) { D[at].key = 0; D[at].past = 0; D[at].abandoned = 0; D[at].revoked = false }

inline clear_rotation(at) {
  R[at].open = 0; R[at].phase = 0; R[at].id = 0; R[at].to_key = 0; R[at].to_epoch = 0; R[at].last_key = 0;
  R[at].verified = 0; R[at].left = 0; R[at].committed = 0; R[at].informed = false; R[at].since = 0
}

inline clear_vault(at) { V[at].good = 0; V[at].bad = 0; V[at].epoch = 0; V[at].begun_by = 0; V[at].items = 0 }

/* Forget the oldest place of a stream: nobody can claim it any more. */
inline drop_devices() {
  i = 0;
  do :: i < dn -> copy_devices(i + 1, i); i++ :: else -> break od;
  clear_devices(dn); dn--;
  Rd = (Rd > 0 -> Rd - 1 : 0); Vd = (Vd > 0 -> Vd - 1 : 0)
}

inline drop_rotation() {
  i = 0;
  do :: i < rn -> copy_rotation(i + 1, i); i++ :: else -> break od;
  clear_rotation(rn); rn--;
  Dr = (Dr > 0 -> Dr - 1 : 0); Vr = (Vr > 0 -> Vr - 1 : 0)
}

inline drop_vault() {
  i = 0;
  do :: i < vn -> copy_vault(i + 1, i); i++ :: else -> break od;
  clear_vault(vn); vn--;
  Dv = (Dv > 0 -> Dv - 1 : 0); Rv = (Rv > 0 -> Rv - 1 : 0)
}

/* A statement of each stream begins with a new place that equals the last, and notes what it claims. */
inline extend_devices(r, v) {
  Dr = r; Dv = v;
  if :: dn == LAG - 1 -> drop_devices() :: else fi;
  copy_devices(dn, dn + 1); dn++
}

inline extend_rotation(d, v) {
  Rd = d; Rv = v;
  if :: rn == LAG - 1 -> drop_rotation() :: else fi;
  copy_rotation(rn, rn + 1); rn++
}

inline extend_vault(d, r) {
  Vd = d; Vr = r;
  if :: vn == LAG - 1 -> drop_vault() :: else fi;
  copy_vault(vn, vn + 1); vn++
}
