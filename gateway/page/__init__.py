"""The box's own status page: HTML from the status document, Chinese and English, no script, nothing personal (P7).

Pure: a document in, bytes out. What a document has not is not shown, so parts may come and go. Served by
gateway/page/local.py.
"""
