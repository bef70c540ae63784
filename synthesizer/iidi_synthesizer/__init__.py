"""Makes synthetic people of a province and loads people into a FHIR server.

Everything made here is invented and carries the security label HTEST. The same
province, seed, number and date always give the same bytes. The package refuses to
guess: it needs the date up to which it should invent, and it never counts a record
as loaded that the server did not confirm.
"""
