/* Offline queues (offline.md §6, §7): entries of one item wait at A, and each takes effect once, in order, where
 * the one before it has gone, and over nothing that A has not seen. Requests are late, A is killed at any step,
 * and B edits or re-encrypts the item meanwhile. A itself may have put the item before, and was not answered, and
 * may put it while entries wait. WITHOUT_... takes one rule away. See README.md. */

#ifndef EDITS
#define EDITS 1
#endif
#ifndef REKEYS
#define REKEYS 1
#endif
#ifndef PUTS
#define PUTS 0
#endif
#ifndef KILLS
#define KILLS 2
#endif

#define N 3             /* entries, all of item 0; entry i was to make its version i + 1 */
#define LENGTH 7        /* commits at most */
#define TRIES 4         /* signed commits at most */
#define NOTES 8         /* in one note at most: a kill may come between noting and signing */
#define EDIT 10
#define REKEY 11
#define EARLIER 12      /* A's put of before the queue: signed for place 0, not answered */
#define LATER 13        /* A's put of while entries wait */

/* What is asserted, each by its own run, or all of them. */
#define ONCE 1
#define LOST 2
#define UNSEEN 3
#define FOLLOWS 4
#define OPENS 5
#define EVERY 6
#define REACHED 7
#define SELF 8
#if PROPERTY == EVERY
#define CHECK(property, condition)  assert(condition)
#else
#define CHECK(property, condition)  assert(PROPERTY != property || (condition))
#endif

/* The vault stream: who made each commit (an entry's number, EDIT, REKEY), and of which item. Item 0 is there in
 * version 1; a copy that commit c begins is item c + 1. */
byte head, who[LENGTH], item[LENGTH];
byte effects[N + 1];    /* how often each entry has taken effect */
byte went[N + 1];       /* to which item */
bool edited;            /* B has edited item 0 */
bool has_put;           /* A has put it while entries waited */

/* On A's disk. */
bool waits[N + 1];
bool older[N + 1], noted;   /* than what A is about to put */
byte of_item[N + 1], base[N + 1], known[N + 1];   /* what an entry follows, and how many commits A knew then */
byte sent, sent_entry[NOTES], sent_at[NOTES], sent_item[NOTES];
bool kept = true;       /* the wrap of the epoch that the entries are sealed under */

/* Signed commits on their way: they arrive late or never, and fit one place of the stream. */
byte signed_, on_entry[TRIES], on_at[TRIES], on_item[TRIES];
bool arrived[TRIES];

byte kills, edits, rekeys, puts;

inline count_versions(which, through, result) {
    result = (which == 0 -> 1 : 0);
    at = 0;
    do
    :: at < through -> if :: item[at] == which -> result++ :: else fi; at++
    :: else -> break
    od;
    at = 0
}

inline append(author, which) {
    who[head] = author;
    item[head] = which;
    head++
}

inline take_effect(entry, which) {
    effects[entry]++;
    CHECK(ONCE, effects[entry] == 1);
    CHECK(UNSEEN, which != 0 || !(edited || has_put));
    CHECK(SELF, which == 0 || edited || noted);
    CHECK(FOLLOWS, entry == 1 || (effects[entry - 1] > 0 &&
        (went[entry - 1] == which || (went[entry - 1] == 0 && (edited || has_put)))));
    went[entry] = which;
    append(entry, which)
}

/* Whether an item was edited since A knew so many commits: by B, or by A after the entry was queued. */
#ifdef WITHOUT_OWN
#define IS_EDIT(entry, by)  (by != REKEY)
#else
#define IS_EDIT(entry, by)  (by == EDIT || (by != REKEY && older[entry]))
#endif

inline find_edit(entry, which, since, through, result) {
    result = false;
    at = since;
    do
    :: at < through ->
        if :: item[at] == which && IS_EDIT(entry, who[at]) -> result = true :: else fi;
        at++
    :: else -> break
    od;
    at = 0
}

/* Which attempt of the note is in the stream, if any: its number + 1. */
inline find_taken(through, result) {
    result = 0;
    at = 0;
    do
    :: at < sent ->
        if
        :: sent_at[at] < through && who[sent_at[at]] == sent_entry[at] && item[sent_at[at]] == sent_item[at] ->
            result = at + 1
        :: else
        fi;
        at++
    :: else -> break
    od;
    at = 0
}

proctype A() {
    byte at, entry, seen, version, taken, target, mine, later, old_item, old_base, new_item, new_version;
    bool was_edited, first, matched;

start:
    skip;
    d_step {
        entry = 0; seen = 0; version = 0; taken = 0; target = 0; mine = 0; later = 0; was_edited = false;
        old_item = 0; old_base = 0; new_item = 0; new_version = 0; first = true
    }
follow:
    skip;
    d_step {
        seen = head;
#ifdef WITHOUT_WRAPS
        if :: rekeys > 0 -> kept = false :: else fi;
#endif
        CHECK(OPENS, kept || !(waits[1] || waits[2] || waits[3]));
        entry = (waits[1] -> 1 : (waits[2] -> 2 : (waits[3] -> 3 : 0)));
        taken = 0;
#ifdef WITHOUT_COMPARISON
        if :: first -> find_taken(seen, taken) :: else fi;
#else
        find_taken(seen, taken);
#endif
        first = false
    }
    if
    :: taken > 0 ->
        d_step { entry = sent_entry[taken - 1]; new_item = sent_item[taken - 1]; mine = sent_at[taken - 1] };
        goto conclude
    :: taken == 0 && entry == 0 -> goto done
    :: taken == 0 && entry > 0 && signed_ < TRIES && seen < LENGTH - 1
    :: taken == 0 && entry > 0 && (signed_ == TRIES || seen >= LENGTH - 1) -> goto done
    fi;
    d_step {  /* rebase, seal, sign: one statement for the stream as it was followed */
        count_versions(of_item[entry], seen, version);
        find_edit(entry, of_item[entry], known[entry], seen, was_edited);
        target = of_item[entry];
#ifndef WITHOUT_BASE
        if
        :: version == base[entry]
        :: version != base[entry] && version > base[entry] && !was_edited
        :: version != base[entry] && !(version > base[entry] && !was_edited) -> target = seen + 1
        fi;
#endif
        was_edited = false; version = 0
    }
#ifdef WITHOUT_DELETING_LAST
    d_step { waits[entry] = false; CHECK(LOST, effects[entry] == 1) };
#endif
#ifndef WITHOUT_NOTE
    d_step { sent_entry[sent] = entry; sent_at[sent] = seen; sent_item[sent] = target; sent++ };
#endif
    if :: kills < KILLS -> kills++; printf("QUEUE: A is killed before entry %d is sent\n", entry); goto start :: true fi;
    d_step {
        mine = signed_;
        on_entry[mine] = entry; on_at[mine] = seen; on_item[mine] = target; signed_++;
        printf("QUEUE: A signs entry %d at %d\n", entry, seen)
    }
    if
    :: arrived[mine] -> d_step { new_item = target; mine = seen }; goto conclude
    :: !arrived[mine] && head > seen -> goto follow            /* refused: decided on anew */
    :: kills < KILLS -> kills++; printf("QUEUE: A hears nothing of entry %d\n", entry); goto start
    fi;

conclude:  /* entry, at commit `mine`, of new_item */
    skip;
    d_step {
        count_versions(new_item, mine + 1, new_version);
        old_item = of_item[entry]; old_base = base[entry]
    }
#ifdef WITHOUT_FORGETTING_LAST
    sent = 0;
    if :: kills < KILLS -> kills++; goto start :: true fi;
#endif
#ifndef WITHOUT_MOVING
#ifdef WITHOUT_LAST_FIRST
    later = entry + 1; matched = true;
    do
    :: later <= N ->
        skip;
        d_step {
            if
            :: of_item[later] == old_item && base[later] == old_base + later - entry &&
               matched ->
                of_item[later] = new_item; base[later] = new_version + later - entry - 1; known[later] = mine + 1
            :: else -> matched = false
            fi;
            later++
        }
        if :: kills < KILLS -> kills++; printf("QUEUE: A is killed after it has moved entry %d\n", later - 1); goto start :: true fi
    :: else -> break
    od;
#else
    later = N;
    do
    :: later > entry ->
        skip;
        d_step {
            if
            :: of_item[later] == old_item && base[later] == old_base + later - entry ->
                of_item[later] = new_item; base[later] = new_version + later - entry - 1; known[later] = mine + 1
            :: else
            fi;
            later--
        }
        if :: kills < KILLS -> kills++; goto start :: true fi
    :: else -> break
    od;
#endif
#endif
    skip;
    d_step {
        CHECK(LOST, effects[entry] == 1 || !waits[entry]);
        waits[entry] = false;
        printf("QUEUE: A deletes entry %d\n", entry)
    }
    if :: kills < KILLS -> kills++; goto start :: true fi;
    sent = 0;
    goto start;

done:
    skip;
#if PROPERTY == REACHED
    assert(waits[1] || waits[2] || waits[3])
#else
    skip
#endif
}

#define may_arrive(which)  (signed_ > which && !arrived[which] && on_at[which] == head && head < LENGTH)

inline arrive(which) {
    arrived[which] = true;
    printf("QUEUE: entry %d arrives as commit %d\n", on_entry[which], head + 1);
    take_effect(on_entry[which], on_item[which])
}

/* The other device, and the network: whatever was signed arrives when its place is the next, or never. */
proctype World() {
end:
    do
    :: edits < EDITS && head < LENGTH ->
        d_step { edits++; edited = true; append(EDIT, 0); printf("QUEUE: B edits the item, commit %d\n", head) }
    :: rekeys < REKEYS && head < LENGTH ->
        d_step { rekeys++; append(REKEY, 0); printf("QUEUE: B re-encrypts the item, commit %d\n", head) }
    :: puts < PUTS && head == 0 ->
        d_step { puts++; append(EARLIER, 0); printf("QUEUE: what A put before arrives, commit %d\n", head) }
    :: PUTS > 0 && !noted && waits[N] ->
        d_step {
            noted = true;
#ifndef WITHOUT_OLDER
            older[1] = true; older[2] = true; older[3] = true;
#endif
        }
    :: noted && !has_put && !edited && head < LENGTH ->
        d_step { has_put = true; append(LATER, 0); printf("QUEUE: A puts the item, commit %d\n", head) }
    :: atomic { may_arrive(0) -> arrive(0) }
    :: atomic { may_arrive(1) -> arrive(1) }
    :: atomic { may_arrive(2) -> arrive(2) }
    :: atomic { may_arrive(3) -> arrive(3) }
    od
}

init {
    atomic {
        waits[1] = true; waits[2] = true; waits[3] = true;
        base[1] = 1; base[2] = 2; base[3] = 3;
        run A();
        run World()
    }
}
