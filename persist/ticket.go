package persist

// Ticket is the place of a batch in the order of submission to this process's store. Tickets start at 1; they mean
// nothing to another process or after a restart. Ticket 0 is "no need to wait".
type Ticket uint64

// Position is the place of an entry in the endless log: its number, its order and, to the log, its address. Positions
// are compared, never added: gaps are normal. 0 is before every entry.
type Position uint64
