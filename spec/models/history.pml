/* History and undelete (vault.md §5.1, §7): two devices put, remove, restore, purge and re-encrypt, and time passes.
 * Commits fit one place of the stream, so each is one step; between its beginning (the base is read, the object is
 * sent) and its commit anything may happen, or it is given up. WITHOUT_... takes one rule away. See README.md. */

#ifndef ACTS
#define ACTS 4          /* edits, removals and restores of both devices together at most */
#endif
#ifndef PURGES
#define PURGES 1
#endif
#ifndef REKEYS
#define REKEYS 1
#endif
#ifndef TIMES
#define TIMES 1         /* how often the grace time passes */
#endif
#ifndef CHANGES
#define CHANGES 0       /* of the user key */
#endif
#ifndef REUSE
#define REUSE 0         /* a commit may name an object that an older version has */
#endif

#define N 8             /* commits and objects at most, numbered from 1 */
#define EDIT 1
#define REMOVE 2
#define RESTORE 3
#define SENT 1          /* an object: no commit names it yet */
#define CLAIMED 2
#define DROPPED 3
#define GONE 4
#define LIVE_WRAP 1
#define RETIRED 2

/* What is asserted, each by its own run, or all of them. */
#define LIVE 1
#define KEPT 2
#define ELSEWHERE 3
#define NUMBERS 4
#define UNSEEN 5
#define TOLD 6
#define LAST 7
#define EVERY 8
#define REACHED 9
#if PROPERTY == EVERY
#define CHECK(property, condition)  assert(condition)
#else
#define CHECK(property, condition)  assert(PROPERTY != property || (condition))
#endif

/* The stream: commit c makes version number[c] of item[c]; a re-encryption has the content of the commit before. */
byte head, item[N], number[N], object[N], epoch_of[N], content[N], replaced_by[N];
bool removal[N];
byte items = 1, purged_through, epoch = 1;

/* The vault: objects and wraps, and whether the grace time has passed since they were sent, dropped or retired. */
byte objects, state[N], wrap[3];
bool due[N], wrap_due[3], other_key[3];
bool forgotten[N];      /* by a purge */
bool expired[N];        /* the grace time has passed since a purge covered what replaced this version */

/* The devices. */
byte doing[2], about[2], base[2], brings[2];
byte acts, purges, rekeys, times, changes, purged_seen;
bool rekeying;

#define IS_LIVE(c) ((c) <= head && !removal[c] && replaced_by[c] == 0)
#define IS_REMOVED(c) ((c) <= head && removal[c] && replaced_by[c] == 0)
#define KEY_THERE(e) (wrap[e] == LIVE_WRAP || (wrap[e] == RETIRED && !other_key[e]))
#define READABLE(c) (state[object[c]] != GONE && KEY_THERE(epoch_of[c]))

inline check_state() {
    c = 1;
    do
    :: c <= head ->
        if
        :: IS_LIVE(c) -> CHECK(LIVE, state[object[c]] == CLAIMED && wrap[epoch_of[c]] == LIVE_WRAP)
        :: !removal[c] && replaced_by[c] != 0 && !expired[c] ->
            CHECK(KEPT, state[object[c]] != GONE && (wrap[epoch_of[c]] != GONE || wrap_due[epoch_of[c]]))
        :: else
        fi;
        c++
    :: else -> break
    od;
    c = 0
}

inline find_last(which) {     /* the last commit of an item: its live version or its removal */
    last = 0; c = 1;
    do :: c <= head -> if :: item[c] == which -> last = c :: else fi; c++ :: else -> break od;
    c = 0
}

inline append(which, its_object, its_content, removes) {
    find_last(which);
    head++;
    if :: last -> replaced_by[last] = head :: else fi;
    item[head] = which; number[head] = (last -> number[last] + 1 : 1); object[head] = its_object;
    epoch_of[head] = epoch; content[head] = its_content; removal[head] = removes;
    last = 0;
    if
    :: its_object && state[its_object] == SENT -> state[its_object] = CLAIMED; due[its_object] = false
#ifndef WITHOUT_KEEP
    :: its_object && state[its_object] == DROPPED -> state[its_object] = CLAIMED; due[its_object] = false
#endif
    :: else
    fi
}

inline send() {
    objects++; state[objects] = SENT
}

/* Rule: a purge never goes back behind an earlier one. */
#ifdef WITHOUT_FORWARD
#define MAY_PURGE(through) true
#else
#define MAY_PURGE(through) (through >= purged_through)
#endif

/* Drop the objects that only versions replaced by then name. */
inline purge(through) {
    purged_through = through; c = 1;
    do
    :: c <= head ->
#ifdef WITHOUT_COVERED
        if :: replaced_by[c] != 0 -> forgotten[c] = true :: else fi;
#else
        if :: replaced_by[c] != 0 && replaced_by[c] <= through -> forgotten[c] = true :: else fi;
#endif
        c++
    :: else -> break
    od;
    c = 1;
    do
    :: c <= head ->
        if
        :: forgotten[c] && object[c] && state[object[c]] == CLAIMED ->
            last = 0; other = 1;
#ifndef WITHOUT_NAMED
            do
            :: other <= head -> if :: !forgotten[other] && object[other] == object[c] -> last = other :: else fi; other++
            :: else -> break
            od;
#endif
            if :: last == 0 -> state[object[c]] = DROPPED :: else fi
        :: else
        fi;
        c++
    :: else -> break
    od;
    c = 0; last = 0; other = 0
}

inline rest(d) { doing[d] = 0; about[d] = 0; base[d] = 0; brings[d] = 0 }

proctype Device(byte me) {
    byte c, last, other, target;

again:
    atomic {
        if :: acts < ACTS && head < N - 2 && objects < N - 2 -> acts++ :: else -> goto done fi;
        if  /* which commit it is about: a live version, or a removal */
        :: about[me] = 1 :: about[me] = 2 :: about[me] = 3 :: about[me] = 4
        fi;
        if
        :: IS_LIVE(about[me]) ->
            base[me] = about[me];
            if
            :: doing[me] = EDIT; send(); brings[me] = objects
            :: REUSE -> doing[me] = EDIT; brings[me] = 1
            :: doing[me] = REMOVE
            fi
        :: IS_REMOVED(about[me]) ->     /* what its removal has replaced is read */
            c = 1; other = 0;
            do :: c <= head -> if :: replaced_by[c] == about[me] -> other = c :: else fi; c++ :: else -> break od;
            c = 0; last = other;
#ifdef WITHOUT_VERIFYING
            c = 1;      /* a change list is another one than was signed: an older version seems to be the last */
            do :: c <= head -> if :: replaced_by[c] == other && !removal[c] -> last = c :: else fi; c++ :: else -> break od;
            c = 0; other = last;
#endif
            CHECK(LAST, replaced_by[other] == about[me]);
            last = 0;
            if
            :: other && READABLE(other) -> doing[me] = RESTORE; send(); brings[me] = objects
            :: else -> goto done
            fi
        :: else -> goto done
        fi;
        other = 0
    }

    d_step {    /* as of the newest commit: where the edit goes, and whether its object is there */
        target = 0; find_last(item[about[me]]); other = last; last = 0;
        if
        :: doing[me] == RESTORE ->
            target = items + 1;
#ifdef WITHOUT_NEW_ITEM
            c = 2;      /* an item that got the name meanwhile: every later one */
            do :: c <= head -> if :: IS_LIVE(c) && item[c] != item[about[me]] -> target = item[c] :: else fi; c++ :: else -> break od;
            c = 0;
#endif
#ifdef WITHOUT_COUNTING
            target = item[about[me]];
#endif
        :: doing[me] != RESTORE && !removal[other] && content[other] == content[base[me]] -> target = item[other]
        :: doing[me] != RESTORE && !(!removal[other] && content[other] == content[base[me]]) ->
#ifdef WITHOUT_BASE
            target = item[other];
#else
            if :: doing[me] == EDIT -> target = items + 1 :: else fi    /* a conflict copy; a removal is refused */
#endif
        fi;
#ifndef WITHOUT_PARTS
        if :: brings[me] && state[brings[me]] == GONE -> target = 0 :: else fi;
#endif
        if
        :: target && head < N - 1 ->
            CHECK(UNSEEN, doing[me] == RESTORE || target != item[other] || content[other] == content[base[me]]);
            CHECK(ELSEWHERE, doing[me] != RESTORE || target > items);
            if :: target > items -> items = target :: else fi;
            append(target, brings[me], head + 1, doing[me] == REMOVE);
#ifdef WITHOUT_COUNTING
            if :: doing[me] == RESTORE -> number[head] = 1 :: else fi;
#endif
            printf("HISTORY: %c %d: commit %d, item %d, version %d\n", 65 + me,
                doing[me], head, item[head], number[head]);
            c = 1;
            do
            :: c < head -> CHECK(NUMBERS, item[c] != item[head] || number[c] != number[head]); c++
            :: else -> break
            od;
            assert(PROPERTY != REACHED || doing[me] != RESTORE || !rekeys || !purges)
        :: else
        fi;
        rest(me); target = 0; other = 0;
        check_state()
    }
    goto again;

done:
    rest(me)
}

#ifdef WITHOUT_GRACE
#define MAY_DELETE true
#else
#define MAY_DELETE (times > 0)
#endif

/* A purge, a re-key of all that lives, a user key change, the clock, and the vault's deletions. */
proctype World() {
    byte c, last, other, live;

end:
    do
    :: d_step {
        purges < PURGES && MAY_PURGE(2) && head >= 2 ->
            purges++; purge(2); printf("HISTORY: purged through commit 2\n"); check_state()
       }
    :: d_step {
        purges < PURGES ->
            purges++; purge(head); printf("HISTORY: purged through commit %d\n", head); check_state()
       }
    :: d_step {
        rekeys < REKEYS ->
            rekeys++; epoch = 2; wrap[2] = LIVE_WRAP; rekeying = true; printf("HISTORY: epoch 2 begins\n")
       }
    :: d_step {
        rekeying && head < N - 1 && objects < N - 1 ->
            c = 1; live = 0;
            do :: c <= head -> if :: IS_LIVE(c) && epoch_of[c] == 1 -> live = c :: else fi; c++ :: else -> break od;
            c = 0;
            if
            :: live ->
                send(); append(item[live], objects, content[live], false);
                printf("HISTORY: commit %d re-encrypts item %d\n", head, item[head])
            :: else -> rekeying = false; wrap[1] = RETIRED; purge(head); printf("HISTORY: the old wrap is retired, purged through commit %d\n", head)
            fi;
            live = 0;
            check_state()
       }
    :: d_step {
        changes < CHANGES -> changes++;
            if :: wrap[1] == RETIRED -> other_key[1] = true :: else fi;
            printf("HISTORY: another user key\n")
       }
    :: d_step {
        times < TIMES -> times++; c = 1;
            do
            :: c < N ->
                if :: state[c] == SENT || state[c] == DROPPED -> due[c] = true :: else fi;
                if :: c <= head && replaced_by[c] != 0 && replaced_by[c] <= purged_through -> expired[c] = true :: else fi;
                c++
            :: else -> break
            od;
            c = 0;
            if :: wrap[1] == RETIRED -> wrap_due[1] = true :: else fi;
            printf("HISTORY: the grace time passes\n")
       }
    :: d_step {     /* the vault deletes what it may delete */
        MAY_DELETE -> c = 1;
            do
            :: c <= objects ->
                if
                :: (state[c] == SENT || state[c] == DROPPED) && due[c] -> state[c] = GONE
#ifdef WITHOUT_GRACE
                :: state[c] == DROPPED && !due[c] -> state[c] = GONE
#endif
                :: else
                fi;
                c++
            :: else -> break
            od;
            c = 0;
            if
            :: wrap[1] == RETIRED && wrap_due[1] -> wrap[1] = GONE
#ifdef WITHOUT_WRAPS
            :: wrap[1] == RETIRED && !wrap_due[1] -> wrap[1] = GONE
#endif
            :: else
            fi;
            printf("HISTORY: the vault deletes\n");
            check_state()
       }
    :: d_step {     /* a device shows the history: what is missing was purged, else it says that the server has lost it */
#ifndef WITHOUT_FOLLOWING
        purged_seen = purged_through;
#endif
        c = 1;
        do
        :: c <= head ->
            CHECK(TOLD, removal[c] || !replaced_by[c] || state[object[c]] != GONE || replaced_by[c] <= purged_seen);
            c++
        :: else -> break
        od;
        c = 0
#ifndef WITHOUT_FOLLOWING
        ; purged_seen = 0
#endif
       }
    od
}

init {
    atomic {
        head = 1; item[1] = 1; number[1] = 1; object[1] = 1; epoch_of[1] = 1; content[1] = 1;
        objects = 1; state[1] = CLAIMED; wrap[1] = LIVE_WRAP;
        run Device(0); run Device(1); run World()
    }
}
