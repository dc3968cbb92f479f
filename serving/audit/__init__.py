"""Papers: what an auditor is handed, the record of processing, the facts of an impact assessment."""
