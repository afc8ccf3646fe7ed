"""Where does a recipient live? An account here, an address elsewhere, or nowhere.

Pure over the store's rows: it opens nothing and changes nothing. It may import store/ (rows), mail/.
"""
