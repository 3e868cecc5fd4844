/* Joins (rotation.md §3): two devices that begin, join, resume or give up rotations at the same time, are killed at
 * any step, and whose statements are late, while a third one writes. WITHOUT_... takes one rule away. See README.md. */

#ifndef ROTATIONS
#define ROTATIONS 2     /* started at most */
#endif
#ifndef COMMANDS
#define COMMANDS 3      /* of both devices together at most */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef EDITS
#define EDITS 0
#endif
#ifndef SPOILED
#define SPOILED 0       /* item 1 may not open, now here and now there */
#endif
#ifndef KINDS
#define KINDS 3         /* which rotations are begun: USER, DATA or both */
#endif

#define USER 1
#define DATA 2
#define STAGED 1
#define VERIFIED 2
#define COMMITTED 3
#define TAKEN 1
#define ABANDONED 2
#define BUSY 9          /* a number that no rotation has */

/* What is asserted, each by its own run, or all of them. */
#define OPENS 1
#define ONE 2
#define ONCE 3
#define LOST 4
#define SEALED 5
#define WORDS 6
#define UNASKED 7
#define READ 8
#define GOES_ON 9
#define EVERY 10
#define REACHED 11
#if PROPERTY == EVERY
#define CHECK(property, condition)  assert(condition)
#else
#define CHECK(property, condition)  assert(PROPERTY != property || (condition))
#endif

/* What the three streams say. */
byte key, decided;
byte count, open_, kind, phase, to_key, to_epoch, left_epochs, starter, used_keys = 1;
byte completed, led_to[ROTATIONS + 1];      /* bits of rotations; the key in force at the end of each */
byte epoch = 1, began_by, live[4];   /* the wraps of each epoch, as bits of user keys */
byte item_epoch[2];
bool snapshot;

/* What a device has signed: it is stale once its stream has gone on, and outdated once its item has. The last one is
 * on its way from a device that was killed. */
mtype = { START, WRAP, VERIFY, TAKE, ABANDON, REKEY, SNAPSHOT, COMMIT, RETIRE, COMPLETE, ABORTED, STOP, RESEAL, READBACK };
mtype = { RUN, RESUME, ABORT };
typedef Statement { byte what, rotation, one, two; bool stale, outdated };
Statement sent[3];

/* A device: its words for a next user key, its command, and what the command remembers. */
byte words[2], command[2], wants[2], mine[2], sealed[2], sealed_as[2], left[2], read[2];
bool outdated[2];
byte commands;
byte kills, edits, writer_epoch = 1;
bool writing, late_edit;

#define BIT(n) (1 << (n))
#define NAME(d) ('A' + (d))
#define FIRST(one, two, three) ((one) -> 1 : ((two) -> 2 : ((three) -> 3 : 0)))
#define LACKS(e, k) (live[e] && !(live[e] & BIT(k)))
#define LACKING(k) FIRST(LACKS(1, k), LACKS(2, k), LACKS(3, k))
#define UNDER(k) FIRST(live[1] & BIT(k), live[2] & BIT(k), live[3] & BIT(k))
#define BESIDES(k) FIRST(live[1] & ~BIT(k), live[2] & ~BIT(k), live[3] & ~BIT(k))
#define HOLDS(e) (item_epoch[0] == (e) || item_epoch[1] == (e))
#ifdef WITHOUT_SEALED
#define IN_USE(e) false
#else
#define IN_USE(e) HOLDS(e)
#endif
#define PAST(e) (live[e] && (e) < to_epoch && !IN_USE(e) && !(left_epochs & BIT(e)))
#define RETIRABLE FIRST(PAST(1), PAST(2), PAST(3))
#define STRANGE(e) (live[e] && (e) < to_epoch && !(left_epochs & BIT(e)))
#define OLD_ITEM(d, i) (item_epoch[i] < to_epoch && !(left[d] & BIT(i)))
#ifdef WITHOUT_LEFT
#define LEFT_EPOCHS 0
#else
#define LEFT_EPOCHS (((item_epoch[0] < to_epoch) -> BIT(item_epoch[0]) : 0) | ((item_epoch[1] < to_epoch) -> BIT(item_epoch[1]) : 0))
#endif
#define OPEN_ITEM(i) (live[item_epoch[i]] & BIT(key))

/* Who begins re-encrypts from one end, who joins from the other. */
#define NEXT_ITEM(d) (mine[d] == count && starter == d -> (OLD_ITEM(d, 0) -> 0 : 1) : (OLD_ITEM(d, 1) -> 1 : 0))

/* Rule: a command goes on with the rotation that it has begun, joined or was told to finish, and with no other. */
#ifdef WITHOUT_ASKED
#define GOES_ON_WITH(d) (open_ != 0)
#else
#define GOES_ON_WITH(d) (open_ != 0 && open_ == mine[d])
#endif

/* Rule: who has other words than an open change leads to does not join it. */
#ifdef WITHOUT_WORDS
#define JOINABLE(d) (kind == wants[d])
#else
#define JOINABLE(d) (kind == wants[d] && (kind == DATA || to_key == words[d]))
#endif

/* What comes next of the open rotation, for a device that has read everything (rotation_plan.py). */
inline plan(d) {
    rest();
    if
    :: kind == USER && decided == ABANDONED ->
        if :: UNDER(to_key) -> step = RETIRE; one = UNDER(to_key); two = BIT(to_key) :: else -> step = ABORTED fi
    :: kind == USER && decided != ABANDONED ->
        if
        :: phase == STAGED && words[d] == to_key ->
            if :: LACKING(to_key) -> step = WRAP; one = LACKING(to_key); two = to_key :: else -> step = VERIFY fi
        :: phase == VERIFIED && decided == 0 && words[d] == to_key -> step = TAKE; two = to_key
        :: phase == VERIFIED && decided == TAKEN -> step = COMMIT
        :: phase == COMMITTED ->
            if
            :: BESIDES(to_key) -> step = RETIRE; one = BESIDES(to_key); two = live[one] & ~BIT(to_key)
            :: else -> step = COMPLETE
            fi
        :: else
        fi
    :: kind == DATA ->
        if
        :: phase == STAGED && epoch < to_epoch -> step = WRAP; one = to_epoch; two = key
        :: phase == STAGED && epoch >= to_epoch ->
            if :: began_by == open_ -> step = VERIFY :: else -> step = ABORTED fi
#ifdef WITHOUT_SEALED
        :: phase == VERIFIED && RETIRABLE -> step = RETIRE; one = RETIRABLE; two = live[one]
#endif
        :: phase == VERIFIED && (OLD_ITEM(d, 0) || OLD_ITEM(d, 1)) -> step = RESEAL; one = NEXT_ITEM(d)
        :: phase == VERIFIED && !(OLD_ITEM(d, 0) || OLD_ITEM(d, 1)) ->
            if :: snapshot -> step = COMMIT; one = LEFT_EPOCHS :: else -> step = SNAPSHOT fi
        :: phase == COMMITTED ->
            if :: RETIRABLE -> step = RETIRE; one = RETIRABLE; two = live[one] :: else -> step = COMPLETE fi
        fi
    fi
}

/* What verifiers demand of the other streams, at the heads that the statement claims: those that its author read. */
inline check_rules() {
    if
    :: step == TAKE -> CHECK(GOES_ON, !LACKING(to_key))
    :: step == COMPLETE && kind == USER -> CHECK(GOES_ON, !BESIDES(to_key))
    :: step == COMPLETE && kind == DATA -> CHECK(GOES_ON, !STRANGE(1) && !STRANGE(2) && !STRANGE(3))
    :: step == ABORTED && kind == USER -> CHECK(GOES_ON, decided == ABANDONED && !UNDER(to_key))
    :: else
    fi
}

#define DEVICES_STREAM 1
#define ROTATION_STREAM 2
#define VAULT_STREAM 3
#define STREAM(step) (step == TAKE || step == ABANDON -> DEVICES_STREAM : (step == WRAP || step == REKEY || step == SNAPSHOT || step == RETIRE -> VAULT_STREAM : ROTATION_STREAM))

inline sign(d) {
    sent[d].what = step; sent[d].stale = false; sent[d].outdated = outdated[d]; sent[d].rotation = open_; sent[d].one = one; sent[d].two = two;
    printf("JOINS: %c signs %e of rotation %d (%d, %d)\n", NAME(d), step, open_, one, two)
}

/* Whether the statement stands at the next place of its stream, and the stream itself admits it. */
#ifdef WITHOUT_FIRST
#define NEWEST(m) (!sent[m].stale || sent[m].what == START)
#else
#define NEWEST(m) (!sent[m].stale)
#endif
#ifdef WITHOUT_VERSIONS
#define FITS(m) NEWEST(m)
#else
#define FITS(m) (NEWEST(m) && !(sent[m].what == REKEY && sent[m].outdated))
#endif

/* A stream has gone on: what was signed for its place before cannot arrive. */
#define OF_STREAM(m, stream) (sent[m].what != 0 && STREAM(sent[m].what) == stream)
inline go_on(stream) {
    if :: OF_STREAM(0, stream) -> sent[0].stale = true :: else fi;
    if :: OF_STREAM(1, stream) -> sent[1].stale = true :: else fi;
    if :: OF_STREAM(2, stream) -> sent[2].stale = true :: else fi;
    if :: stream == VAULT_STREAM -> late_edit = writing :: else fi
}

/* An item has another version: what was sealed from the one before is outdated. */
inline change_item(i) {
    if :: sealed[0] == i + 1 -> outdated[0] = true :: else fi;
    if :: sealed[1] == i + 1 -> outdated[1] = true :: else fi;
    if :: sent[0].what == REKEY && (sent[0].one & 1) == i -> sent[0].outdated = true :: else fi;
    if :: sent[1].what == REKEY && (sent[1].one & 1) == i -> sent[1].outdated = true :: else fi;
    if :: sent[2].what == REKEY && (sent[2].one & 1) == i -> sent[2].outdated = true :: else fi
}

inline clear(m) {
    sent[m].what = 0; sent[m].rotation = 0; sent[m].one = 0; sent[m].two = 0; sent[m].stale = false; sent[m].outdated = false
}

inline end_rotation() {
    open_ = 0; kind = 0; phase = 0; to_key = 0; to_epoch = 0; left_epochs = 0; starter = 0; decided = 0; snapshot = false
}

inline arrive(m) {
    printf("JOINS: %e of rotation %d arrives\n", sent[m].what, sent[m].rotation);
    what = sent[m].what; rotation = sent[m].rotation; first = sent[m].one; second = sent[m].two; old = sent[m].outdated;
    clear(m);
    go_on(STREAM(what));
    if
    :: what == START ->
        CHECK(ONE, open_ == 0);
        count++; open_ = count; phase = STAGED; left_epochs = 0; decided = 0; starter = rotation;
        kind = second;
        to_key = (kind == USER -> first : key); to_epoch = (kind == USER -> epoch : first);
        used_keys = used_keys | BIT(to_key)
    :: what == WRAP ->
        live[first] = live[first] | BIT(second);
        if :: first > epoch -> epoch = first; began_by = rotation; snapshot = false :: else fi
    :: what == VERIFY -> phase = VERIFIED
    :: what == TAKE ->
        CHECK(ONE, open_ == rotation && decided == 0 && second == to_key);
        key = second;
        if :: open_ == rotation -> decided = TAKEN :: else fi
    :: what == ABANDON -> decided = ABANDONED
    :: what == REKEY ->
        CHECK(ONCE, item_epoch[first & 1] < (first >> 1));
        CHECK(LOST, !old);
        item_epoch[first & 1] = first >> 1; snapshot = false;
        change_item((first & 1))
    :: what == SNAPSHOT -> snapshot = true
    :: what == COMMIT -> phase = COMMITTED; left_epochs = first
    :: what == RETIRE -> live[first] = live[first] & ~second
    :: what == COMPLETE ->
        completed = completed | BIT(open_); led_to[open_] = key;
        CHECK(SEALED, kind == USER || ((item_epoch[0] == to_epoch || (left_epochs & BIT(item_epoch[0]))) &&
            (item_epoch[1] == to_epoch || (left_epochs & BIT(item_epoch[1])))));
        assert(PROPERTY != REACHED || m == starter || m == 2);
        end_rotation()
    :: what == ABORTED -> end_rotation()
    fi;
    what = 0; rotation = 0; first = 0; second = 0; old = false;
    CHECK(OPENS, OPEN_ITEM(0) && OPEN_ITEM(1) && (live[epoch] & BIT(key)))
}

inline forget(d) {
    command[d] = 0; wants[d] = 0; mine[d] = 0; sealed[d] = 0; outdated[d] = false; sealed_as[d] = 0; left[d] = 0; read[d] = 0
}

inline rest() {
    step = STOP; one = 0; two = 0
}

#define TOUCHES(d) CHECK(UNASKED, open_ == mine[d])

proctype Device(byte me) {
    byte step, one, two, what, rotation, first, second;
    bool old;

idle:
    if
    :: atomic { commands < COMMANDS -> forget(me); commands++ };
       if
       :: (KINDS & USER) -> command[me] = RUN; wants[me] = USER
       :: (KINDS & DATA) -> command[me] = RUN; wants[me] = DATA
       :: command[me] = RESUME
       :: command[me] = ABORT
       fi
    :: commands == COMMANDS -> goto done
    fi;

    d_step {  /* begin, join, or find what is to be finished or given up */
        rest();
        if
        :: open_ == 0 && command[me] == RUN && count < ROTATIONS &&
           (wants[me] == DATA || !(used_keys & BIT(words[me]))) && (wants[me] == USER || epoch < 3) ->
            step = START; one = (wants[me] == USER -> words[me] : epoch + 1); two = wants[me];
            open_ = me; sign(me); open_ = 0
        :: open_ != 0 && command[me] == RUN && JOINABLE(me) -> mine[me] = open_
        :: open_ != 0 && command[me] != RUN -> mine[me] = open_
        :: else
        fi
    }
    if
    :: d_step { step == START && FITS(me) -> arrive(me); mine[me] = count; rest() }
    :: d_step {    /* another device was first: decide anew, once */
           step == START && !FITS(me) -> clear(me); step = STOP;
           if :: open_ != 0 && JOINABLE(me) -> mine[me] = open_ :: else fi
       }
    :: step == START && kills < KILLS -> goto killed
    :: step == STOP
    fi;
    if :: mine[me] == 0 -> goto idle :: else fi;

give_up:
    if
    :: command[me] == ABORT && open_ == mine[me] ->
       d_step {
           rest();
           if
           :: open_ != mine[me]
           :: open_ == mine[me] && kind == DATA && phase != COMMITTED -> step = ABORTED; sign(me)
#ifdef WITHOUT_DECISION
           :: open_ == mine[me] && kind == USER && decided == 0 && UNDER(to_key) ->
              step = RETIRE; one = UNDER(to_key); two = BIT(to_key); sign(me)
           :: open_ == mine[me] && kind == USER && decided == 0 && !UNDER(to_key) -> step = ABORTED; sign(me)
#else
           :: open_ == mine[me] && kind == USER && decided == 0 -> step = ABANDON; sign(me)
#endif
           :: else
           fi
       };
       if
       :: step == STOP && open_ == mine[me] && kind == USER && decided == ABANDONED
       :: step == STOP && !(open_ == mine[me] && kind == USER && decided == ABANDONED) -> goto idle
       :: d_step { step == ABORTED && FITS(me) -> arrive(me); rest() }; goto idle
       :: d_step { step != STOP && step != ABORTED && FITS(me) -> arrive(me); rest() }; goto give_up
       :: d_step { step != STOP && !FITS(me) -> clear(me); rest() }; goto give_up
       :: step != STOP && kills < KILLS -> goto killed
       fi
    :: else
    fi;

look:
    skip;
    d_step {
        rest();
        if :: GOES_ON_WITH(me) -> plan(me) :: else fi;
        if
        :: step == STOP
        :: step == VERIFY -> read[me] = open_; one = BUSY
        :: step == RESEAL -> sealed[me] = one + 1; outdated[me] = false; sealed_as[me] = to_epoch
        :: else ->
            TOUCHES(me); check_rules();
            sign(me)
        fi
    }
    if
    :: step == STOP -> goto ended
    :: step == VERIFY ->    /* the wraps were read back: look anew, say it */
       d_step {
           rest();
           if :: GOES_ON_WITH(me) -> plan(me) :: else fi;
           if
           :: step == VERIFY -> TOUCHES(me); CHECK(READ, read[me] == open_); sign(me)
           :: step != VERIFY -> rest()
           fi
       }
       if :: step == STOP -> goto look :: else fi
    :: step == RESEAL ->
       if
       :: SPOILED && sealed[me] == 2 -> left[me] = left[me] | BIT(1); goto look    /* it did not open */
       :: d_step {    /* look anew: what another device has done is dropped */
            step = STOP; one = ((sealed[me] - 1) & 1) | (sealed_as[me] << 1); two = 0;
            if
#ifdef WITHOUT_VERSIONS
            :: epoch == sealed_as[me] -> step = REKEY; sign(me)
#else
            :: epoch == sealed_as[me] && !outdated[me] -> step = REKEY; sign(me)
#endif
            :: else
            fi;
            sealed[me] = 0; outdated[me] = false; sealed_as[me] = 0
         }
       fi;
       if :: step == STOP -> goto look :: else fi
    :: else
    fi;
    if
    :: d_step { FITS(me) -> arrive(me); rest() }; goto look
    :: d_step { !FITS(me) -> clear(me); rest() }; goto look
    :: kills < KILLS -> goto killed
    fi;

ended:
    skip;
    d_step {
        if
        :: command[me] == RUN && wants[me] == USER && (completed & BIT(mine[me])) ->
            printf("JOINS: %c is told that its words count\n", NAME(me));
            CHECK(WORDS, led_to[mine[me]] == words[me])
        :: else
        fi
    }
    goto idle;

killed:    /* what was signed is on its way, and arrives late or never */
    skip;
    d_step {
        kills++;
        printf("JOINS: %c is killed\n", NAME(me));
        sent[2].what = sent[me].what; sent[2].rotation = sent[me].rotation; sent[2].one = sent[me].one;
        sent[2].two = sent[me].two; sent[2].stale = sent[me].stale; sent[2].outdated = sent[me].outdated;
        clear(me);
        rest()
    }
    goto idle;

done:
    forget(me)
}

/* What is late, and a device that writes under the epoch that it knows until it is refused. */
proctype World() {
    byte what, rotation, first, second;
    bool old;

end:
    do
    :: d_step { sent[2].what != 0 && FITS(2) -> printf("JOINS: late: "); arrive(2) }
    :: d_step { sent[2].what != 0 && !FITS(2) -> clear(2) }
    :: d_step { edits < EDITS && !writing -> writing = true; printf("JOINS: W signs an edit under epoch %d\n", writer_epoch) }
    :: d_step {
        writing -> writing = false;
        if
#ifdef WITHOUT_FENCE
        :: !late_edit ->
#else
        :: !late_edit && writer_epoch == epoch ->
#endif
            edits++; item_epoch[0] = writer_epoch; change_item(0); go_on(VAULT_STREAM);
            printf("JOINS: the edit arrives\n")
#ifndef WITHOUT_FENCE
        :: !late_edit && writer_epoch != epoch -> writer_epoch = epoch   /* refused: unlocks the new epoch */
#endif
        :: late_edit     /* refused: rebases */
        fi;
        late_edit = false
       }
    od
}

init {
    atomic {
        live[1] = 1; item_epoch[0] = 1; item_epoch[1] = 1;
        words[0] = 1;
        if :: words[1] = 1 :: words[1] = 2 fi;
        run Device(0); run Device(1); run World()
    }
}
